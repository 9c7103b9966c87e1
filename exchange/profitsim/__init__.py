"""The simulated ProfitDLL: C sources of a library with ProfitDLL's exports, and `build`, which compiles them."""
