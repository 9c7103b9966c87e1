"""ProfitDLL's interface, once: numbers, structs, prototypes, loading, the session, and thin typed calls.

Nothing else in the project touches the DLL's structs from Python. The same code drives the vendor's library on Windows
and the simulated one (`exchange/profitsim`) on both platforms. Nothing here trades by itself.
"""
