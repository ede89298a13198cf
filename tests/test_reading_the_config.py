"""config.toml: read whole, or refused with file, line and key."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
import tomlkit

from codexd.config.effective import effective, origins
from codexd.config.file import ReadConfig, parse_config, read_config
from codexd.config.keys import (
    Config,
    PriceTable,
    ProjectTable,
    RedactionTable,
    TitlesTable,
    expectations,
)
from codexd.config.layers.toml_file import InvalidConfig, dotted, line_of
from codexd.config.layers.toml_text import toml_table
from codexd.models.provider import Provider
from codexd.models.provider_table import ProviderTable

WHOLE = """\
model = "gpt-6"
model_provider = "house"
approval_policy = "on-request"
sandbox_mode = "read-only"
model_reasoning_effort = "high"
model_reasoning_summary = "none"
model_verbosity = "low"
model_context_window = 100_000
on_restart = "interrupt"

[model_providers.house]
name = "House"
base_url = "http://127.0.0.1:8080/v1"
env_key = "HOUSE_KEY"
wire_api = "chat"
query_params = { api-version = "2026-01-01" }
http_headers = { X-Team = "secret" }
env_http_headers = { X-Token = "HOUSE_TOKEN" }
request_max_retries = 0
stream_max_retries = 100
stream_idle_timeout_ms = 1
requires_openai_auth = true

[projects."/w/a.b"]
trust_level = "trusted"
"""


def parsed(text: str) -> ReadConfig:
    return parse_config(text.encode(), "c.toml")


def test_an_empty_file_is_all_defaults() -> None:
    read = parsed("")
    assert read.config == Config()
    assert read.keys == ()
    assert read.warnings == ()
    # They depend on the folder, and are not the same as any that a person could write.
    assert read.config.approval_policy is None
    assert read.config.sandbox_mode is None
    # Nothing runs without its sandbox unless a person says so.
    assert not read.config.allow_unsandboxed


def test_a_file_of_windows_is_read() -> None:
    content = b'\xef\xbb\xbfmodel = "m"\r\nmodel_provider = "openai"\r\n'
    assert (
        parse_config(content, "c.toml").config
        == parsed('model = "m"\nmodel_provider = "openai"').config
    )


def test_every_key_that_counts() -> None:
    read = parsed(WHOLE)
    assert read.warnings == ()
    assert read.config == Config(
        model="gpt-6",
        model_provider="house",
        approval_policy="on-request",
        sandbox_mode="read-only",
        model_reasoning_effort="high",
        model_reasoning_summary="none",
        model_verbosity="low",
        model_context_window=100_000,
        on_restart="interrupt",
        model_providers={
            "house": ProviderTable(
                name="House",
                base_url="http://127.0.0.1:8080/v1",
                env_key="HOUSE_KEY",
                wire_api="chat",
                query_params={"api-version": "2026-01-01"},
                http_headers={"X-Team": "secret"},
                env_http_headers={"X-Token": "HOUSE_TOKEN"},
                request_max_retries=0,
                stream_max_retries=100,
                stream_idle_timeout_ms=1,
                requires_openai_auth=True,
            )
        },
        projects={"/w/a.b": ProjectTable("trusted")},
    )


def test_own_prices() -> None:
    read = parsed('[prices."gpt-5"]\ninput = 1\noutput = 2.5\n[prices."p/m"]\ninput=0\noutput=0\n')
    assert read.warnings == ()
    assert read.config.prices == {"gpt-5": PriceTable(1.0, 2.5), "p/m": PriceTable(0.0, 0.0)}
    assert read.keys == (
        "prices.gpt-5.input",
        "prices.gpt-5.output",
        'prices."p/m".input',
        'prices."p/m".output',
    )


@pytest.mark.parametrize(
    "table",
    [Config, ProviderTable, PriceTable, ProjectTable, RedactionTable, TitlesTable],
)
def test_every_key_has_a_description_of_its_values(table: type[msgspec.Struct]) -> None:
    words = expectations(table)
    assert tuple(words) == table.__struct_fields__
    assert all(words.values())
    of_strings = {key for key, said in words.items() if said == "a table of strings"}
    assert of_strings <= {"query_params", "http_headers"}


def test_a_provider_has_the_keys_of_its_table() -> None:
    defaults = {field.name: field.default for field in msgspec.structs.fields(Provider)}
    assert set(ProviderTable.__struct_fields__) < set(defaults)
    assert set(defaults) - set(ProviderTable.__struct_fields__) == {"key", "env_key_instructions"}


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ('approval_policy = "on-failure"', "on-request"),  # as Codex reads it
        ("approval_policy = { granular = { rules = true } }", "untrusted"),
    ],
)
def test_older_and_finer_policies_become_one_that_asks_as_much(line: str, meant: str) -> None:
    assert parsed(line).config.approval_policy == meant


@pytest.mark.parametrize(
    "text",
    [
        "a = { b = 1, c = 2, }\n",
        'a = {\n b = 1, # c }\n c = ["}",\n2,],\n}\nx = 1\n',
        'm = "\\e[0m\\\\e\\x41"\nl = \'\\e\'\nn = """\n\\e,}"""\n',
        'e = { h = {\r\n  u = "https://x/v1",\r\n  k = { "a" = "${T}" }\r\n}}\r\nz = 1\n',
        'a=[\n {b=1,\n  c="""x\n,}""",\n },\n {d={e=1,},},\n]\n[t]\nk={}\n[[q]]\ni={\n}\n',
    ],
)
def test_toml_1_1_is_read_as_codex_reads_it(text: str) -> None:
    assert toml_table(text) == tomlkit.parse(text).unwrap()
    with pytest.raises(InvalidConfig) as refused:
        parse_config(text.encode() + b"model = \n", "f")
    assert refused.value.line == text.count("\n") + 1


def test_keys_that_only_codex_knows_are_ignored_silently() -> None:
    read = parsed(
        'notify = ["say"]\n[features]\na = true\n[tui]\ntheme = "dark"\n'
        "[history]\n[otel]\ntracestate = {}\n[sandbox_workspace_write]\n[profiles.x]\nmodel = 3\n"
        "[model_providers.p]\nsupports_websockets = true\n"
    )
    assert read.warnings == ()
    assert read.config == Config(notify=("say",), model_providers={"p": ProviderTable()})


def test_a_user_may_replace_the_instructions() -> None:
    read = parsed(
        'model_instructions_file = "mine.md"\ndeveloper_instructions = "Rhyme."\n'
        'project_root_markers = [".hg"]\nproject_doc_fallback_filenames = ["CLAUDE.md"]\n'
        "project_doc_max_bytes = 0\nhide_agent_reasoning = true\nshow_raw_agent_reasoning = true\n"
        '[titles]\nby_model = true\nmodel = "small"\n'
    )
    assert read.warnings == ()
    assert read.config == Config(
        model_instructions_file="mine.md",
        developer_instructions="Rhyme.",
        project_root_markers=(".hg",),
        project_doc_fallback_filenames=("CLAUDE.md",),
        project_doc_max_bytes=0,
        hide_agent_reasoning=True,
        show_raw_agent_reasoning=True,
        titles=TitlesTable(by_model=True, model="small"),
    )
    assert read.keys[-2:] == ("titles.by_model", "titles.model")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("project_doc_max_bytes = -1", "project_doc_max_bytes"),
        ('project_root_markers = ".git"', "project_root_markers"),
        ('model_verbosity = "loud"', "model_verbosity"),
        ("[titles]\nby_model = 1", "titles.by_model"),
        ("titles = true", "titles"),
        ('web_search = "on"', "web_search"),
        ("tools = 1", "tools"),
        ('[tools]\nweb_search = "live"', "tools.web_search"),
        ('[tools.web_search]\ncontext_size = "huge"', "tools.web_search"),
    ],
)
def test_an_invalid_value_is_reported_with_its_key(text: str, key: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        parsed(text)
    assert raised.value.key == key


def test_unknown_keys_get_a_warning_with_the_nearest_known_key() -> None:
    read = parsed('modle = "x"\n\nzzz = 1\n[model_providers.p]\nbase_ulr = "http://h"\n')
    assert read.warnings == (
        "c.toml:1: unknown key `modle`, did you mean `model`? It was ignored.",
        "c.toml:3: unknown key `zzz`; it was ignored.",
        (
            "c.toml:5: unknown key `model_providers.p.base_ulr`, did you mean `base_url`? "
            "It was ignored."
        ),
    )


@pytest.mark.parametrize(
    ("text", "line", "key", "problem"),
    [
        ("model = 5", 1, "model", "expected a string, found 5"),
        ("\n\nmodel = [1]", 3, "model", "expected a string, found [1]"),
        ("model = { a = 1 }", 1, "model", "expected a string, found a table"),
        (
            'approval_policy = "always"',
            1,
            "approval_policy",
            'expected "untrusted", "on-request" or "never", found \'always\'',
        ),
        ("on_restart = true", 1, "on_restart", 'expected "resume" or "interrupt", found true'),
        (
            "model_context_window = 0",
            1,
            "model_context_window",
            "expected a number of tokens, an integer above 0, found 0",
        ),
        (
            "model_providers = 1",
            1,
            "model_providers",
            "expected tables [model_providers.NAME], found 1",
        ),
        (
            'x = 1\n[prices."a.b"]\ninput = 1',
            2,
            'prices."a.b".output',
            "expected US dollars a million tokens, a number from 0 on, found nothing",
        ),
        (
            '[prices."m"]\ninput = -1\noutput = 1',
            2,
            "prices.m.input",
            "expected US dollars a million tokens, a number from 0 on, found -1",
        ),
        ("[model_providers]\nx = 1", 2, "model_providers.x", "expected a table, found 1"),
        (
            'name = "x"\n[model_providers.p]\nwire_api = "soap"',
            3,
            "model_providers.p.wire_api",
            'expected "responses" or "chat", found \'soap\'',
        ),
        (
            '[model_providers]\na = {}\np = { wire_api = "soap" }',
            3,
            "model_providers.p.wire_api",
            'expected "responses" or "chat", found \'soap\'',
        ),
        (
            "model_providers.p.request_max_retries = 101",
            1,
            "model_providers.p.request_max_retries",
            "expected an integer from 0 to 100, found 101",
        ),
        (
            '[projects."/a.b"]\ntrust_level = 1',
            2,
            'projects."/a.b".trust_level',
            'expected "trusted" or "untrusted", found 1',
        ),
        ('model = "x"\nmodel = ]', 2, None, "not TOML: Invalid value (at line 2, column 9)"),
        ('a = 1\n\nb = """', 3, None, "not TOML: Unterminated string (at end of document)"),
    ],
)
def test_a_mistake_is_reported_by_file_line_key_expected_and_found(
    text: str, line: int, key: str | None, problem: str
) -> None:
    with pytest.raises(InvalidConfig) as invalid:
        parsed(text)
    assert (invalid.value.file, invalid.value.line) == ("c.toml", line)
    assert (invalid.value.key, invalid.value.problem) == (key, problem)
    subject = f"`{key}`: " if key else ""
    assert str(invalid.value) == f"c.toml:{line}: {subject}{problem}; nothing of the file was used"


@pytest.mark.parametrize("wrong", ['"Bearer s3cret"', '{ a = 1, b = "s3cret" }', '["s3cret"]'])
def test_a_mistake_does_not_show_possible_secrets(wrong: str) -> None:
    with pytest.raises(InvalidConfig) as invalid:
        parsed(f"[model_providers.p]\nhttp_headers = {wrong}")
    assert "expected a table of strings" in str(invalid.value)
    assert "s3cret" not in str(invalid.value)


def test_a_long_wrong_value_is_cut() -> None:
    with pytest.raises(InvalidConfig) as invalid:
        parsed("model = [" + "1," * 1000 + "]")
    assert len(str(invalid.value)) < 200


def test_bytes_that_are_no_text_are_reported_by_line() -> None:
    with pytest.raises(InvalidConfig) as invalid:
        parse_config(b'model = "x"\n# \xff\n', "c.toml")
    assert str(invalid.value) == (
        "c.toml:2: expected UTF-8, found other bytes; nothing of the file was used"
    )


def test_a_missing_file_is_an_empty_file(tmp_path: Path) -> None:
    read = read_config(tmp_path / "config.toml")
    assert read.config == Config()
    assert read.file == str(tmp_path / "config.toml")


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('model = "m"')
    assert read_config(file).config.model == "m"


def test_a_path_that_is_no_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="cannot be read: "):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("at", "line"),
    [
        (("a",), 1),
        (("t", "a"), 4),
        (("t", "x.y", "b"), 7),
        (("t", "x.y", "missing"), 6),
        (("u", "v", "w"), 9),
        (("u", "v", "w", "deeper"), 9),
        (("arr", "k"), 11),
        (("nowhere",), None),
    ],
)
def test_a_key_is_found_by_its_line(at: tuple[str, ...], line: int | None) -> None:
    text = """\
a = 1
[t]  # a table
lone = '''x = 1'''
a = \"\"\"
b = 1\"\"\"
[t."x.y"]
"b" = 1
[u]
v . w = { deeper = 1 }
[[arr]]
k = 1
"""
    assert line_of(text, at) == line


def test_a_dotted_key_is_quoted_where_it_must_be() -> None:
    assert dotted(("projects", "/a.b", "trust_level")) == 'projects."/a.b".trust_level'


def test_the_settings_in_force_are_shown_without_secrets() -> None:
    told = json.loads(effective(parsed(WHOLE)))
    assert told["model"] == "gpt-6"
    assert told["on_restart"] == "interrupt"
    provider = told["model_providers"]["house"]
    assert provider["http_headers"] == {"X-Team": "[redacted]"}
    assert provider["query_params"] == {"api-version": "[redacted]"}
    assert provider["env_http_headers"] == {"X-Token": "HOUSE_TOKEN"}
    assert b"secret" not in effective(parsed(WHOLE))


KEYS = (
    *("sk-" + "proj-" + "aB3_" * 8, "0f9e" * 8, "AKIA" + "IOSFODNN7EXAMPLE", "a1b2c3d4e5f6a7b8"),
    *("correct horse battery", "ghp_" + "aB3" * 12, "x" * 40, "aBcDeFgHiJkLm", "$KEY", "p@ss"),
)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_in_place_of_a_variables_name_is_not_shown(key: str) -> None:
    text = f"""
        [model_providers.p]
        base_url = "https://x.example.com"
        env_key = "{key}"
        env_http_headers = {{ "X-Key" = "{key}" }}
        [redaction]
        variables = ["{key}"]
        except_variables = ["{key}"]
        [redaction.patterns]
        mine = "hunter22"
    """
    told = effective(parsed(text)).decode()
    assert key not in told
    assert "hunter22" not in told
    assert json.loads(told)["model_providers"]["p"]["env_key"] == "[redacted]"


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "HOUSE_KEY",
        "azure_openai_key_2",
        "GH_PAT",
        "HF_TOKEN",
        "apiKey",
        "KEY_2024",
    ],
)
def test_a_variables_name_is_shown(name: str) -> None:
    told = json.loads(effective(parsed(f'[model_providers.p]\nenv_key = "{name}"\n')))
    assert told["model_providers"]["p"]["env_key"] == name


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1"),
        ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1"),
        ("https://bob:hunter22@x.example.com/v1", "https://[redacted]@x.example.com/v1"),
        ("https://hunter22@x.example.com", "https://[redacted]@x.example.com"),
        ("https://a:hunter@22@x.example.com/", "https://[redacted]@x.example.com/"),
        ("https://a:hunter22/x@x.example.com/", "[redacted]"),
        ("https://x.example.com/v1?key=hunter22#hunter22", "https://x.example.com/v1?[redacted]"),
        ("https://x.example.com#hunter22", "https://x.example.com#[redacted]"),
        ("bob:hunter22@x.example.com", "[redacted]@x.example.com"),
        ("//bob:hunter22@x.example.com", "[redacted]"),
    ],
)
def test_an_address_is_shown_without_user_password_and_query(url: str, shown: str) -> None:
    told = effective(parsed(f'[model_providers.p]\nbase_url = "{url}"\n'))
    assert json.loads(told)["model_providers"]["p"]["base_url"] == shown
    assert b"hunter" not in told


def test_an_unset_setting_is_null() -> None:
    assert json.loads(effective(parsed("")))["model"] is None


def test_each_setting_is_shown_with_its_file() -> None:
    read = parsed('model = "x"\n[model_providers.p]\nname = "P"\n')
    origin = {
        "name": {"type": "user", "file": "c.toml", "profile": None},
        "version": read.version,
    }
    assert json.loads(origins(read)) == {"model": origin, "model_providers.p.name": origin}
    assert read.version.startswith("sha256:")


@pytest.mark.parametrize("regex", ["(a+)+$", "a+b", r"\\s+$", "(a|a){1,30}b", "("])
def test_an_expression_that_a_text_can_make_slow_is_refused_with_its_place(regex: str) -> None:
    with pytest.raises(InvalidConfig) as invalid:
        parsed(f'[redaction.patterns]\nmine = "{regex}"\n')
    assert "c.toml:2" in str(invalid.value)
    assert "redaction.patterns.mine" in str(invalid.value)
    assert "expected" in str(invalid.value) or "several ways" in str(invalid.value)


def test_an_expression_with_bounds_is_taken() -> None:
    read = parsed('[redaction.patterns]\nmine = "corp-[0-9a-f]{32}"\n')
    assert read.config.redaction.patterns == {"mine": "corp-[0-9a-f]{32}"}
