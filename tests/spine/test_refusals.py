"""Bad input: one clear message that names the thing and the mend, exit code 3, and nothing left behind."""

from __future__ import annotations

import socket
import struct
import sys
from pathlib import Path

import pytest

import supervisor
from tests.spine.rig import refused, write_config

pytestmark = [
    pytest.mark.xdist_group("spine"),
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform == "win32", reason="looks for what is left in /dev/shm"),
]


def config_with(folder: Path, more: str, mode: str = "dry-run") -> str:
    path = write_config(folder, history_bars=0)
    text = path.read_text("utf-8").replace('mode = "paper"', f'mode = "{mode}"')
    path.write_text(text.replace("[dll]\n", "[dll]\n" + more), encoding="utf-8")
    return str(path)


def test_no_library_at_the_path(tmp_path: Path) -> None:
    config = config_with(tmp_path, f'path = "{tmp_path}/ProfitDLL64.dll"\n')
    assert "there is no library at" in (message := refused(tmp_path, "--config", config))
    assert "set dll.path" in message


def test_a_relative_path(tmp_path: Path) -> None:
    assert "must be absolute" in refused(tmp_path, "--config", config_with(tmp_path, 'path = "ProfitDLL64.dll"\n'))


def test_a_32_bit_library(tmp_path: Path) -> None:
    header = bytearray(512)
    header[:2] = b"MZ"
    struct.pack_into("<I", header, 0x3C, 0x80)
    header[0x80:0x84] = b"PE\0\0"
    struct.pack_into("<H", header, 0x84, 0x014C)
    (tmp_path / "ProfitDLL.dll").write_bytes(header)
    config = config_with(tmp_path, f'path = "{tmp_path}/ProfitDLL.dll"\n')
    assert "32-bit x86" in (message := refused(tmp_path, "--config", config))
    assert "ProfitDLL64.dll" in message


def test_a_library_without_an_export(tmp_path: Path) -> None:
    library = next(Path("/usr/lib").rglob("libz.so*"), None) or next(Path("/lib").rglob("libm.so*"), None)
    assert library is not None
    config = config_with(tmp_path, f'path = "{library.resolve()}"\n')
    assert "has no function DLLInitialize" in refused(tmp_path, "--config", config) or "has no function" in refused(
        tmp_path, "--config", config
    )


def test_a_wrong_password(tmp_path: Path) -> None:
    config = str(write_config(tmp_path, history_bars=0))
    message = refused(tmp_path, "--config", config, environment={"QT_SIMULATED_PASSWORD": "another"})
    assert "login refused (2)" in message and "password" in message


def test_a_taken_port(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        path = write_config(tmp_path, history_bars=0)
        path.write_text(
            path.read_text("utf-8").replace("[exchange]\n", f"[exchange]\nport = {port}\n"), encoding="utf-8"
        )
        assert str(port) in (message := refused(tmp_path, "--config", str(path)))
        assert "exchange.port" in message


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("hystory_bars = 3\n", "$.dll"),
        ("connect_timeout_s = -1\n", "$.dll.connect_timeout_s"),
        ("connect_timeout_s = inf\n", "$.dll.connect_timeout_s"),
    ],
)
def test_a_wrong_configuration(tmp_path: Path, more: str, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert supervisor.main(["up", "--config", config_with(tmp_path, more)]) == 3
    assert place in capsys.readouterr().err


def test_an_account_on_the_command_line_alone(tmp_path: Path) -> None:
    config = str(write_config(tmp_path))
    assert 'set mode = "live"' in refused(tmp_path, "--config", config, "--live", "1234")


def test_a_tape_that_is_none_and_one_that_does_not_fit(tmp_path: Path) -> None:
    config = str(write_config(tmp_path))
    assert str(tmp_path / "nowhere") in refused(tmp_path, "--config", config, "--tape", str(tmp_path / "nowhere"))


def test_a_bundle_that_is_none(tmp_path: Path) -> None:
    config = str(write_config(tmp_path))
    assert str(tmp_path / "nowhere") in refused(tmp_path, "--config", config, "--model", str(tmp_path / "nowhere"))


@pytest.mark.parametrize("option", ["--duration", "--speed"])
@pytest.mark.parametrize("value", ["nan", "inf", "-5", "0"])
def test_a_number_that_is_none(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        supervisor.main(["up", f"{option}={value}"])
    assert refusal.value.code == 2
    assert f"{value} is not a finite number above 0" in capsys.readouterr().err


def test_a_file_where_the_runs_should_stand(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("", encoding="ascii")
    message = refused(tmp_path, "--config", str(write_config(tmp_path)))
    assert "runs" in message and "runtime.folder" in message
