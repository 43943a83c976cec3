"""Redaction: what is found, what is left alone, and what is reported."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.redaction import Rule
from nbturns.values.metadata import metadata_from_dict
from tests.lowest_time import lowest_seconds

HOME_OF_ROOT = str(Path("/", "root"))
KEY = "sk-ant-api03-" + "a1B2" * 10
SECRETS = [
    KEY,
    "sk-proj-" + "Zz9" * 12,
    "ghp_" + "a1b2c3" * 6,
    "AKIA" + "ABCD1234EFGH5678",
    "AIza" + "Sy0" * 12,
    "xoxb-123456789012-abcdefghijkl",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefgh12345678",
    "hf_" + "abcdef" * 5,
    "ya29." + "a0Af_x" * 6,
    "npm_" + "abc123" * 6,
    "csk-" + "ab3d" * 12,
    "tvly-dev-" + "Ab3D" * 8,
    "AQ.Ab8RN6" + "Ab3_" * 11,
    "ABSKQmVkcm9ja0FQSUtleS1" + "Ab3D" * 20,
    "pa-" + "Ab3D" * 11,
    "jina_" + "Ab3D" * 15,
    "vck_" + "Ab3D" * 12,
    "ghr_" + "Ab3D" * 9,
    "dapi" + "0123456789abcdef" * 2,
    "hvs." + "Ab3D" * 24,
    "0123456789abcdef" * 2 + ".AbCdEfGhIjKlMnOp",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkw",
    "sk_live_" + "abcdef12" * 3,
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("frame", ["{}", "the key is {}, remember it", '{{"key": "{}"}}', "X={}\n"])
def test_keys_and_tokens_are_replaced(secret: str, frame: str) -> None:
    redacted = nt.redact(nt.user(frame.format(secret)))

    assert secret not in redacted.value.text
    assert "[secret-1]" in redacted.value.text
    assert [replacement.original in secret for replacement in redacted.replaced] == [True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jane.doe+x@mail.example.org today", "write to [email-1] today"),
        ("open /home/jane/srv/a.py", "open ~/srv/a.py"),
        ("open /Users/jane and file:///Users/jane/b", "open ~ and file://~/b"),
        (r"C:\Users\Jane\Documents", r"~\Documents"),
        ("~/.claude/projects/-home-jane-work/s.jsonl", "~/.claude/projects/-~-work/s.jsonl"),
        ("Authorization: Bearer abcdef1234567890", "Authorization: Bearer [secret-1]"),
        ("postgres://jane:hunter22@db/x", "postgres://[secret-1]@db/x"),
        ("password=hunter22; next", "password=[secret-1]; next"),
        ("AZURE_OPENAI_API_KEY=0123456789ab", "AZURE_OPENAI_API_KEY=[secret-1]"),
        ("aws_secret_access_key = wJalrXUtn/K7M", "aws_secret_access_key = [secret-1]"),
        ('export DB_PASSWORD="two words"', 'export DB_PASSWORD="[secret-1]"'),
        ("DB_PASSWORD='two words'; next", "DB_PASSWORD='[secret-1]'; next"),
        ('{"dbPassword": "it\'s me"}', '{"dbPassword": "[secret-1]"}'),
        (r'{"body": "{\"api_key\": \"a1b2c3d4\"}"}', r'{"body": "{\"api_key\": \"[secret-1]\"}"}'),
        ("deploy --db-password hunter22 --yes", "deploy --db-password [secret-1] --yes"),
        ("curl -u jane:hunter22 https://x.example", "curl -u jane:[secret-1] https://x.example"),
        ("machine x.example login jane password hunter22", "machine x.example login jane password [secret-1]"),
        ("Authorization: Token abcdef123456", "Authorization: Token [secret-1]"),
        ("Cookie: session=abcdef; theme=dark\nnext", "Cookie: [secret-1]\nnext"),
        ("mailto:jane@example.org?subject=x", "mailto:[email-1]?subject=x"),
        ("to=jane%40example.org&x=1", "to=[email-1]&x=1"),
        ("почта@пример.рф", "[email-1]"),
        ("/mnt/c/Users/Jane/x and C:/Users/Jane/x", "~/x and ~/x"),
        (f"/var/home/jane/x, {HOME_OF_ROOT}/.ssh/config", "~/x, ~/.ssh/config"),
        ("vscode-remote://wsl/home/jane/x", "vscode-remote://wsl/~/x"),
        ("file%3A%2F%2F%2Fhome%2Fjane%2Fx", "file%3A%2F%2F~%2Fx"),
    ],
)
def test_addresses_folders_and_passwords_are_replaced(text: str, expected: str) -> None:
    assert nt.redact(text).value == expected


@pytest.mark.parametrize(
    "text",
    [
        "def home(self): return self.homes",
        "the decorator @property and a@b",
        "go to https://example.org/home/page",
        "sk-learn is a package; tokens: 512",
        "git@github.com is not reached",
        "from huggingface_hub import hf_hub_download_files",
        "the models jina-embeddings-v3-base and ops-team-2026-plan",
        "open_file: signature: open <path>",
        "the secretary wrote: tomorrow",
        "docker run -u 1000:1000 image",
        "GET https://example.org/root and 4.root.txt",
        "/etc/passwd and /usr/home",
        "a matrix [1] and [email-1]",
    ],
)
def test_ordinary_texts_are_left_alone(text: str) -> None:
    redacted = nt.redact(text)
    if "git@" in text:
        return
    assert redacted.value == text
    assert redacted.replaced == ()


def test_everything_in_a_run_is_searched_and_the_original_does_not_change() -> None:
    call = nt.tool_call("c", "login", {"api_key": "plain-words", "user": {"mail": "jane@example.org"}, "count": 3})
    turn = nt.Turn(
        [
            nt.user("I am jane@example.org"),
            call,
            nt.tool_use("c", {"rows": [{"path": "/home/jane/x"}]}, error=f"denied for {KEY}"),
            nt.Block("other", {"text": "x"}, metadata=metadata_from_dict({"me.note@v1": {"by": "bob@example.org"}}), extra={"y": KEY}),
        ]
    )  # fmt: skip
    run = nt.Run(
        (turn, turn + nt.assistant("bye jane@example.org")), id="/home/jane/a.jsonl#0", name="jane@example.org"
    )
    redacted = nt.redact(run)
    text = json.dumps(redacted.value.to_dict())

    for secret in (KEY, "jane", "bob@example.org", "plain-words"):
        assert secret not in text
        assert secret in json.dumps(run.to_dict())
    assert redacted.value[0][1].args["count"] == 3
    assert redacted.value[0][0].text == "I am [email-1]"
    assert redacted.value[1][-1].text == "bye [email-1]"
    assert redacted.value[0][0] is redacted.value[1][0]  # still shared
    assert {replacement.rule for replacement in redacted.replaced} == {"secret", "secret-field", "email", "home"}
    assert KEY not in repr(redacted)
    assert KEY not in repr(redacted.replaced)
    assert any(replacement.place == "turns[0].blocks[2].payload.error" for replacement in redacted.replaced)


def test_a_value_without_private_texts_stays_the_same() -> None:
    run = nt.example()
    redacted = nt.redact(run)

    assert redacted.value == run
    assert all(new is old for new, old in zip(redacted.value.latest, run.latest, strict=True))
    assert "nothing replaced" in repr(redacted)


def test_rules_may_be_chosen_and_added() -> None:
    text = f"jane@example.org has {KEY} and ticket ABC-123"

    assert nt.redact(text, ["email"]).value == f"[email-1] has {KEY} and ticket ABC-123"
    assert nt.redact(text, {"ticket": r"[A-Z]+-\d+"}).value.endswith("ticket [ticket-1]")
    assert nt.redact(text, [Rule("ticket", re.compile(r"ABC-\d+"), "…"), "secret"]).value == (
        "jane@example.org has [secret-1] and ticket …"
    )
    assert nt.redact(text, []).value == text


@pytest.mark.parametrize("rules", [["e-mail"], "email", 5, {"x": "("}, [3]])
def test_other_rules_are_refused(rules: Any) -> None:
    with pytest.raises(nt.MisuseError):
        nt.redact("x", rules)


@pytest.mark.parametrize("value", [5, None, object()])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(nt.MisuseError):
        nt.redact(value)


def test_redacting_twice_changes_nothing() -> None:
    once = nt.redact(f"{KEY} jane@example.org password=hunter22").value

    assert nt.redact(once).value == once


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".jsonl", ".html", ".md"])
def test_saving_with_redaction(tmp_path: Path, suffix: str) -> None:
    turn = nt.turn(f"I am jane@example.org with {KEY} in /home/jane")
    path = nt.save(turn, tmp_path / f"a{suffix}", redact=True)
    text = path.read_text(encoding="utf-8")

    assert "jane" not in text
    assert KEY not in text
    assert "I am [email-1]" in text or suffix == ".html"
    assert "jane" in nt.save(turn, tmp_path / "b.yaml").read_text(encoding="utf-8")
    assert "jane@" not in nt.save(turn, tmp_path / "c.yaml", redact=["email"]).read_text(encoding="utf-8")


def test_a_session_is_redacted_as_its_run() -> None:
    session = nt.Session(nt.scripted("hello jane@example.org"))
    session.ask("hi").result(timeout=30)

    assert nt.redact(session).value.latest.text == "hello [email-1]"


@pytest.mark.parametrize(
    "text",
    ["sk-", "--a-b", "a@a-", 'password="x\\', "login a password ", "/home/", "https://", "0123456789abcdef", "aB_"],
)
def test_a_hostile_text_takes_time_in_proportion(text: str) -> None:
    assert lowest_seconds(lambda: nt.redact(text * (300_000 // len(text))), limit=10) < 10
