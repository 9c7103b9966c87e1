"""QuantumTrader's one command: start a run, look at it, restart a stage of it, stop it, and every other tool.

    python supervisor.py up --duration 60            a generated market, simulated DLL, no money
    python supervisor.py up --tape DIR --config config/es.toml --speed 20
    python supervisor.py status | restart STAGE | stop
    python supervisor.py halt | reduce | resume | flatten | kill      a person's word to execution
    python supervisor.py orders adopt | ignore | cancel      what to do with what is at the broker and not ours
    python supervisor.py exchange                    only the simulated exchange, for clients of your own
    python supervisor.py exchange fault NAME KEY=VALUE ...    let a running one misbehave; without a name: what there is

It parses, hands over to `runtime` and friends, and prints. Exit codes: 0 all went well, 1 a stage did not stop cleanly or
passed its restart limit, 2 wrong arguments, 3 the run was refused (the message says why).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent
if sys.path[0] != str(PROJECT):
    sys.path.insert(0, str(PROJECT))  # before any installed package of the name `models` or `bus`

EXIT_CLEAN, EXIT_UNCLEAN, EXIT_USAGE, EXIT_REFUSED = 0, 1, 2, 3


def say(text: str = "") -> None:
    """Print for a person. Text that the terminal cannot show is replaced, never an error."""
    encoding = sys.stdout.encoding or "ascii"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    sys.stderr.write(f"error: {text}\n")
    sys.stderr.flush()


def load_config(args: argparse.Namespace) -> Any:
    """The configuration with what the command line says on top."""
    from config.load import load

    overrides: dict[str, Any] = {}
    if getattr(args, "tape", None):
        overrides["exchange"] = {"tape": str(Path(args.tape).resolve())}
    if getattr(args, "speed", None) is not None:
        overrides.setdefault("exchange", {})["speed"] = args.speed
    if getattr(args, "port", None) is not None:
        overrides.setdefault("exchange", {})["port"] = args.port
    if getattr(args, "model", None):
        overrides["models"] = {"bundle": str(Path(args.model).resolve())}
    return load(Path(args.config) if args.config else None, overrides)


def run_up(args: argparse.Namespace) -> int:
    from runtime.clock import monotonic_ns
    from runtime.compile import compile_all
    from runtime.launcher import LaunchError
    from runtime.live_gate import NotLive, check_mode
    from runtime.up import Run

    try:
        config = load_config(args)
        check_mode(config, args.live)
        check_inputs(config)
    except (ValueError, NotLive, LaunchError) as error:
        complain(str(error))
        return EXIT_REFUSED
    view: Any = None
    quiet = args.json

    def tell(line: str) -> None:
        if view is not None:
            view.tell(line)
        elif not quiet:
            say(line)
        else:
            sys.stderr.write(line + "\n")

    compile_all(tell)
    from features.checkpoint import private_segments

    with contextlib.ExitStack() as stack:
        try:
            run = Run(config, args.duration, private_segments(config), tell)
        except LaunchError as error:
            complain(str(error))
            return EXIT_REFUSED
        if sys.stdout.isatty() and not quiet:
            from monitor.terminal import TerminalView
            from runtime.run_info import read_run

            def draw(launcher: Any) -> None:
                nonlocal view
                if view is None:
                    view = stack.enter_context(TerminalView(read_run(launcher.folder)))
                view.draw(launcher.run)

            run.watch = draw
        began_ns = monotonic_ns()
        try:
            outcome = run.execute()
        except (LaunchError, KeyboardInterrupt) as error:
            view = None
            stack.close()
            complain(str(error) or "interrupted")
            if args.json:
                say(json.dumps({"run": str(run.folder), "error": str(error) or "interrupted"}))
            return EXIT_REFUSED
    seconds = (monotonic_ns() - began_ns) / 1e9
    if args.json:
        say(
            json.dumps(outcome.summary | {"ended": outcome.reason, "error": outcome.error, "wall_s": round(seconds, 1)})
        )
    else:
        print_summary(outcome)
    if outcome.error:
        complain(outcome.error)
        return EXIT_REFUSED
    return EXIT_CLEAN if outcome.clean else EXIT_UNCLEAN


def check_inputs(config: Any) -> None:
    """What can be known to be wrong before the first process starts."""
    from runtime.launcher import LaunchError

    if config.exchange.tape:
        from tape.format import TapeError
        from tape.reader import Tape
        from tape.verify import check as check_tape

        try:
            tape = Tape.open(config.exchange.tape)
            symbols = {instrument.symbol for instrument in tape.instruments}
            problems = check_tape(tape.trades(), tape.book(), tape.candles(), len(tape.instruments))
        except TapeError as error:
            raise LaunchError(str(error)) from error
        if problems:
            raise LaunchError(f"the tape {config.exchange.tape} is damaged: {problems[0]}; see `tape info`")
        unknown = [i.symbol for i in config.instruments if i.symbol not in symbols]
        if unknown:
            raise LaunchError(
                f"the configuration trades {', '.join(unknown)}, the tape has {', '.join(sorted(symbols))}: "
                "choose the configuration that fits with --config"
            )
    if config.exchange.scenario:
        from exchange.faults.scenario import BadScenario, read_scenario

        try:
            read_scenario(Path(config.exchange.scenario))
        except BadScenario as error:
            raise LaunchError(str(error)) from error
    if config.models.bundle:
        from models.bundle import BundleError, open_bundle

        try:
            open_bundle(Path(config.models.bundle))
        except BundleError as error:
            raise LaunchError(str(error)) from error


def print_summary(outcome: Any) -> None:
    from monitor.terminal import counts_of

    figures = outcome.summary
    say(f"run {figures['run']} ended: {outcome.reason}")
    for name, row in figures["stages"].items():
        say(f"  {name:13} {row['state']:8} restarts {row['restarts']}  {counts_of(name, row)}")
    for hop, latency in figures["latency_us"].items():
        if latency:
            say(f"  {hop:32} p50 {latency['p50']:>13,} us   p99 {latency['p99']:>13,} us")
    say(f"  lost {figures['lost']}   feed gap {figures['feed_gap_events']}   restarts {figures['restarts']}")
    profit = "unknown" if figures["profit"] is None else f"{figures['profit']:+,.2f}"
    say(f"  realised after fees {profit}")
    resting = figures["stages"]["execution"].get("stops_resting", 0)
    for symbol, quantity in figures["position"].items():
        there = figures["exchange_position"][symbol]
        say(f"  {symbol}: position {quantity}, at the exchange {'unknown' if there is None else there}")
        if quantity:
            say(f"  OPEN POSITION: {symbol} {quantity:+d}, {resting} stops resting; stopping does not flatten")


def run_status(args: argparse.Namespace) -> int:
    from runtime import report
    from runtime.current import NoRun, attach_current

    try:
        info, run = attach_current(Path(args.runs))
    except NoRun as error:
        complain(str(error))
        return EXIT_UNCLEAN
    if args.json:
        table = report.stage_table(run, info.config)
        say(
            json.dumps(
                {
                    "run": info.folder,
                    "supervisor_pid": info.supervisor_pid,
                    **report.summary(run, info.config),
                    "stages": table,
                }
            )
        )
        return EXIT_CLEAN
    from monitor.terminal import print_once

    print_once(info, run)
    return EXIT_CLEAN


def run_restart(args: argparse.Namespace) -> int:
    from runtime.current import NoRun, attach_current, request_restart
    from runtime.topology import companions_of

    try:
        epoch = request_restart(Path(args.runs), args.stage)
        together = companions_of(args.stage, attach_current(Path(args.runs))[0].config)
    except (NoRun, TimeoutError) as error:
        complain(str(error))
        return EXIT_UNCLEAN
    except KeyError as error:
        complain(str(error.args[0]))
        return EXIT_USAGE
    if len(together) > 1:
        say(f"{' and '.join(together)} share a process and its session, so both were restarted")
    say(f"{args.stage} runs again, incarnation {epoch}")
    return EXIT_CLEAN


def run_word(args: argparse.Namespace) -> int:
    from execution.operator_box import NoAnswer, leave_word
    from runtime.current import NoRun, attach_current

    try:
        info, _ = attach_current(Path(args.runs))
        word = f"{args.verb}-{args.decision}" if args.verb == "orders" else args.verb
        leave_word(Path(info.folder), word)
    except (NoRun, NoAnswer) as error:
        complain(str(error))
        return EXIT_UNCLEAN
    say(f"execution was told to {word}")
    return EXIT_CLEAN


def run_stop(args: argparse.Namespace) -> int:
    from runtime.current import NoRun, request_stop

    try:
        request_stop(Path(args.runs))
    except NoRun as error:
        complain(str(error))
        return EXIT_UNCLEAN
    say("asked to stop; `up` ends when its stages have")
    return EXIT_CLEAN


def run_exchange(args: argparse.Namespace) -> int:
    from runtime.launcher import LaunchError

    try:
        config = load_config(args)
        check_inputs(config)
    except (ValueError, LaunchError) as error:
        complain(str(error))
        return EXIT_REFUSED
    from runtime.compile import announce
    from shm import kernel_cache

    with announce("exchange", kernel_cache.configure(), sys.stderr.write):
        from exchange.alone import run
    from exchange.profitsim.build import BuildError, build_if_stale

    try:
        build_if_stale()
    except BuildError as error:  # the exchange runs all the same: the client may have a library from elsewhere
        complain(str(error))
    return int(run(config, args, say, complain))


def run_fault(args: argparse.Namespace) -> int:
    from exchange.faults.box import NotTaken, describe, leave_fault, table_of
    from exchange.faults.table import BadFault
    from runtime.current import NoRun, attach_current

    if not args.name:
        say(describe())
        return EXIT_CLEAN
    try:
        folder = Path(args.folder) if args.folder else Path(attach_current(Path(args.runs))[0].folder)
        leave_fault(folder, table_of(args.name, args.numbers))
    except BadFault as error:
        complain(str(error))
        return EXIT_USAGE
    except (NoRun, NotTaken) as error:
        complain(str(error))
        return EXIT_UNCLEAN
    say(f"the exchange was told: {args.name}")
    return EXIT_CLEAN


def run_tape(args: argparse.Namespace) -> int:
    if args.tape_verb == "generate":
        from exchange.generate_command import run as generate

        return int(generate(args, say, complain))
    from tape.commands import run

    return int(run(args))


def run_train(args: argparse.Namespace) -> int:
    from models.training.commands import run

    try:
        config = load_config(args)
    except ValueError as error:
        complain(str(error))
        return EXIT_REFUSED
    return int(run(args, config))


def run_features(args: argparse.Namespace) -> int:
    from features.commands import run

    try:
        config = load_config(argparse.Namespace(config=args.config)) if args.config else None
    except ValueError as error:
        complain(str(error))
        return EXIT_REFUSED
    return int(run(args, config))


def run_replay(args: argparse.Namespace) -> int:
    from replay.commands import run

    return int(run(args))


def run_report(args: argparse.Namespace) -> int:
    from replay.report_commands import run

    return int(run(args))


def run_journal(args: argparse.Namespace) -> int:
    from execution.journal_commands import run

    return run(args)


def run_bench(args: argparse.Namespace) -> int:
    from benchmarks.commands import run

    return int(run(args.name, args.json))


def positive(text: str) -> float:
    """A number above 0 that ends."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number above 0")
    return value


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="supervisor.py",
        description="QuantumTrader: a real-time pipeline over ProfitDLL",
        epilog="exit codes: 0 all went well; 1 something failed or was not found; 2 wrong arguments; 3 refused, and why",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    up = verbs.add_parser("up", help="run the pipeline in the foreground")
    up.add_argument("--config", metavar="FILE", help="TOML; default: the embedded paper market")
    up.add_argument("--tape", metavar="DIR", help="play this tape instead of a generated market")
    up.add_argument("--speed", type=positive, metavar="N", help="market seconds per second (simulated market only)")
    up.add_argument(
        "--duration", type=positive, metavar="S", help="stop after S seconds, counted from all stages ready"
    )
    up.add_argument("--model", metavar="BUNDLE", help="folder written by train; without it ml abstains")
    up.add_argument("--live", metavar="ACCOUNT", help="with mode = live: the account that orders go to")
    up.add_argument("--json", action="store_true", help="print one JSON object at the end")
    up.set_defaults(run=run_up)

    status = verbs.add_parser("status", help="what the running stages do")
    status.add_argument("--json", action="store_true", help="one JSON object with every counter and latency")
    status.set_defaults(run=run_status)
    restart = verbs.add_parser("restart", help="restart one stage of the running pipeline")
    restart.add_argument("stage", metavar="STAGE", help="as `status` names it")
    restart.set_defaults(run=run_restart)
    stop = verbs.add_parser("stop", help="stop the running pipeline")
    stop.set_defaults(run=run_stop)
    from execution.events import ADOPT, CANCEL_FOREIGN, FLATTEN, HALT, IGNORE, KILL, REDUCE, RESUME, WORDS

    said = (HALT, REDUCE, RESUME, FLATTEN, KILL)
    words = [verbs.add_parser(word, help=f"tell execution: {WORDS[word]}") for word in said]
    for verb in words:
        verb.set_defaults(run=run_word)
    orders = verbs.add_parser("orders", help="what to do with orders and positions at the broker that are not ours")
    meanings = {word.partition("-")[2]: WORDS[word] for word in (ADOPT, IGNORE, CANCEL_FOREIGN)}
    choices = "; ".join(f"{name}: {meaning}" for name, meaning in meanings.items())
    orders.add_argument("decision", choices=tuple(meanings), help=choices)
    orders.set_defaults(run=run_word)
    words.append(orders)
    for verb in (status, restart, stop, *words):
        verb.add_argument(
            "--runs", default="runs", metavar="DIR", help="folder of the runs (runtime.folder); default: runs"
        )

    exchange = verbs.add_parser("exchange", help="only the simulated exchange, for clients of your own")
    exchange.add_argument("--config", metavar="FILE", help="TOML; default: the embedded paper market")
    exchange.add_argument("--tape", metavar="DIR", help="play this tape instead of a generated market")
    exchange.add_argument("--speed", type=positive, metavar="N", help="market seconds per second")
    exchange.add_argument("--duration", type=positive, metavar="S", help="stop after S seconds")
    exchange.set_defaults(run=run_exchange)
    from exchange.command_line import add_arguments as add_exchange_arguments

    add_exchange_arguments(exchange)
    fault = exchange.add_subparsers(metavar="").add_parser("fault", help="let the running exchange misbehave")
    fault.add_argument("name", nargs="?", metavar="NAME", help="of a fault; without: list them")
    fault.add_argument("numbers", nargs="*", metavar="KEY=VALUE", help="its parameters")
    fault.add_argument("--runs", default="runs", metavar="DIR", help="folder of the runs; default: runs")
    fault.add_argument("--folder", metavar="DIR", help="folder in which an exchange runs alone, instead of a run")
    fault.set_defaults(run=run_fault)

    tape = verbs.add_parser("tape", help="import, generate and look at recorded markets")
    tape.set_defaults(run=run_tape)
    from exchange.generate_options import add_arguments as add_generate_arguments
    from tape.commands import add_arguments

    add_generate_arguments(add_arguments(tape))

    train = verbs.add_parser("train", help="train XGBoost and LightGBM on a tape")
    train.add_argument("--tape", required=True, metavar="DIR", help="what to learn from")
    train.add_argument("--out", required=True, metavar="BUNDLE", help="the new bundle's folder; must not exist")
    train.add_argument("--config", metavar="FILE", help="TOML; default: the embedded paper market")
    train.set_defaults(run=run_train)

    features = verbs.add_parser("features", help="all feature vectors of a tape, as Parquet")
    features.set_defaults(run=run_features)
    from features.command_line import add_arguments as add_features_arguments

    add_features_arguments(features)

    replay = verbs.add_parser("replay", help="a recorded run again: check what it published")
    replay.set_defaults(run=run_replay)
    from replay.command_line import add_arguments as add_replay_arguments

    add_replay_arguments(replay)

    report = verbs.add_parser("report", help="what a run's records tell: calibration of the sources")
    report.set_defaults(run=run_report)
    from replay.command_line import add_report_arguments

    add_report_arguments(report)

    journal = verbs.add_parser("journal", help="print and verify what execution wrote down")
    journal.set_defaults(run=run_journal)
    from execution.journal_command_line import add_arguments as add_journal_arguments

    add_journal_arguments(journal)

    bench = verbs.add_parser("bench", help="measure; each figure is a ratio taken in one run")
    bench.add_argument("name", nargs="?", metavar="NAME", help="of one; without: all, about ten minutes")
    bench.add_argument("--json", action="store_true", help="one JSON object at the end")
    bench.set_defaults(run=run_bench)
    return parser


def main(argv: list[str] | None = None) -> int:
    try:
        parser = build_parser()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {path.stem for path in PROJECT.iterdir()}:
            raise
        complain(
            f"{error.name} is missing in {sys.executable}: activate the virtual environment of the installation, "
            "or `python -m pip install -e .`"
        )
        return EXIT_REFUSED
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except BrokenPipeError:  # whoever read what was printed has enough, as in `journal RUN | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_UNCLEAN


if __name__ == "__main__":
    sys.exit(main())
