"""The daemon's own log has no secrets either, its tracebacks included; and config names more of them."""

from __future__ import annotations

import io
import logging
from pathlib import Path

from codexd.config.live import LiveConfig
from codexd.redaction.daemon_secrets import DaemonSecrets, clean_logs

ENV = {"API_TOKEN": "k3yWithoutAnythingOdd", "LICENCE": "0123-4567-89ab"}


def house(folder: Path, text: str) -> DaemonSecrets:
    file = folder / "config.toml"
    file.write_text(text)
    return DaemonSecrets(LiveConfig(file), ENV)


def test_an_entry_and_its_traceback_are_clean(tmp_path: Path) -> None:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    logging.getLogger().addHandler(handler)
    try:
        with clean_logs(house(tmp_path, "").text):
            try:
                raise ValueError(f"no {ENV['API_TOKEN']} here")
            except ValueError:
                logging.getLogger("codexd").exception("with %s", ENV["API_TOKEN"])
    finally:
        logging.getLogger().removeHandler(handler)
    assert ENV["API_TOKEN"] not in out.getvalue()
    assert out.getvalue().count("«secret API_TOKEN") == 2
    assert "Traceback" in out.getvalue()


def test_config_names_more_secrets_and_fewer(tmp_path: Path) -> None:
    redaction = house(
        tmp_path,
        """
        [redaction]
        variables = ["LICENCE"]
        except_variables = ["API_TOKEN"]
        except_patterns = ["jwt"]
        [redaction.patterns]
        corp = "corp-[0-9]+"
        [model_providers.own]
        base_url = "http://localhost"
        http_headers = { X-Own-Key = "Bearer secret-of-the-file", X-Version = "2026-11-21" }
        """,
    )
    clean = redaction.text(
        f"{ENV['LICENCE']} {ENV['API_TOKEN']} corp-12 secret-of-the-file 2026-11-21"
    )
    assert clean.startswith("«secret LICENCE sha256:")
    assert ENV["API_TOKEN"] in clean
    assert "«secret corp sha256:" in clean
    assert "«secret own.X-Own-Key sha256:" in clean
    assert clean.endswith("2026-11-21")


def test_a_bad_config_leaves_redaction_on(tmp_path: Path) -> None:
    redaction = house(tmp_path, '[redaction.patterns]\nbad = "("\n')
    assert ENV["API_TOKEN"] not in redaction.text(ENV["API_TOKEN"])


def test_a_variable_that_a_login_shell_sets_is_known_once_it_is_taken(tmp_path: Path) -> None:
    redaction = house(tmp_path, "")
    assert redaction.text("fromTheProfile99") == "fromTheProfile99"
    redaction.login_taken({"OTHER_SECRET": "fromTheProfile99"})
    assert "«secret OTHER_SECRET" in redaction.text("fromTheProfile99")
    stream = redaction.stream()
    assert stream.feed(b"from") == b""
