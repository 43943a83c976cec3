"""A provider is one module: another package adds one, and no module outside a provider's own names it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nbturns as nt

PACKAGE = Path(nt.__file__).parent

PLUGIN = """
import json
from contextlib import asynccontextmanager

from nbturns import assistant, user
from nbturns.engines import Counting, Medium, MessageLayout, Param, PortableSettings, Provider, StructuredOutput
from nbturns.engines.media import medium
from nbturns.engines.parameters.portable import renamed
from nbturns.engines.provider import ResponseStream
from nbturns.engines.parameters.unsupported import remove
from nbturns.engines.verbatim import OriginalItems
from nbturns.values.inference_results import FinishClass, InferenceResult, Usage
from nbturns.values.turns import Turn

ORIGINALS = OriginalItems("acme")


def request(turn, scope, model, params):
    lines = [{"who": block.role or block.kind, "parts": [ORIGINALS.raw_item(block) or {"say": block.text}]} for block in turn]
    for block in turn:
        lines += [{"who": "user", "parts": [{"picture": medium(part).data}]} for part in block.payload.get("media", ())]
    return {"model": model, "lines": lines, **params}


class Reply:
    def __init__(self, hear, inference_id):
        self.complete, self.data = False, {}

    def body(self, data):
        self.data, self.complete = data, True

    def event(self, name, data):
        self.body(data)

    def end(self):
        pass

    def blocks(self):
        raw = {"say": self.data["say"], "mood": "calm"}
        return (ORIGINALS.attach(assistant(self.data["say"]), raw=raw, index=0),) if self.data else ()

    def result(self):
        return InferenceResult(
            provider="acme", model="a-1", usage=Usage(input_tokens=7, output_tokens=2), finish_class=FinishClass.COMPLETED
        )


class Transport:
    def __init__(self, settings):
        self.sent = []

    @asynccontextmanager
    async def open(self, body):
        async def chunks():
            yield json.dumps({"say": json.dumps({"title": "Hamlet"})}).encode()

        self.sent.append(body)
        yield ResponseStream(chunks=chunks(), content_type="application/json")

    async def post(self, path, body):
        return {"total": len(body["lines"])} if path == "/count" else {}


def read_medium(part):
    return Medium(media_type="image/png", data=part["picture"]) if "picture" in part else None


PROVIDER = Provider(
    name="acme",
    request=request,
    reply=Reply,
    transport=Transport,
    settings=frozenset({"key"}),
    history=lambda body: Turn([user(line["parts"][0]["say"]) for line in body["lines"]]),
    counting=Counting(request=request, total="total", path="/count"),
    params={"heat": Param("heat", float, "temperature"), "limit": Param("limit", int), "form": Param("form", dict)},
    portable=PortableSettings(translate=lambda given: renamed(given, {"temperature": "heat", "max_response_tokens": "limit"})),
    remove_unsupported=lambda model, params, reasons: [f"not sent: {name}" for name in remove(params, ["limit"] if model == "a-0" else [])],
    structured_output=StructuredOutput(parameters=lambda config: {"form": dict(config.schema)}),
    messages=MessageLayout(messages="lines", parts="parts", model_role="machine"),
    read_medium=read_medium,
    output_limits=("limit",),
)
"""

CHECKS = {
    "parameters are checked": """
        import pytest
        assert nt.engines.params("acme")["heat"].says == "temperature"
        with pytest.raises(nt.EngineError, match="unknown parameter 'heet' of acme; did you mean heat"):
            nt.engine("acme:a-1", heet=1)
        with pytest.raises(nt.EngineError, match="heat of acme: it is 'hot'"):
            nt.engine("acme:a-1", heat="hot")
    """,
    "shared settings are translated": """
        body = nt.engines.request("acme:a-1", nt.turn("x"), temperature=0.5, max_tokens=9)
        assert (body["heat"], body["limit"]) == (0.5, 9), body
        body = nt.engines.request("acme:a-0", nt.turn("x"), max_tokens=9)
        assert "limit" not in body, body
        turn = nt.turn("x").with_data(nt.keys.INFERENCE_CONFIG, nt.keys.INFERENCE_CONFIG.decode({"temperature": 0.25}))
        assert nt.engines.request("acme:a-1", turn, temperature=1)["heat"] == 0.25
    """,
    "structured output is sent and checked": """
        from dataclasses import dataclass
        @dataclass
        class Play:
            title: str
        engine = nt.engine("acme:a-1", max_tokens=50)
        turn = nt.Session(engine).ask("Which play?", output=Play).result(60)
        assert turn.output == Play("Hamlet")
        [body] = engine.transport.sent
        assert body["form"]["properties"]["title"]["type"] == "string"
        assert turn.inferences[0].max_tokens == 50 and turn.inferences[0].provider == "acme"
    """,
    "tokens are counted by its endpoint": """
        count = nt.engine("acme:a-1").count_tokens(nt.turn("x", system="y")).result(60)
        assert (count.input_tokens, count.source, count.endpoint) == (2, "provider_api", "/count")
        assert nt.engines.decode("acme", '{"say": "hi"}').text == "hi"
    """,
    "a Turn has its messages, verbatim where they are its own": """
        turn = nt.turn("x") + tuple(nt.engines.decode("acme", '{"say": "hi"}'))
        assert turn.to_messages("acme").body == {
            "lines": [
                {"who": "user", "parts": [{"say": "x"}]},
                {"who": "assistant", "parts": [{"say": "hi", "mood": "calm"}]},
            ]
        }
        reply = nt.engines.decode("acme", '{"say": "hi"}')
        assert reply.to_messages("acme") == [{"role": "machine", "parts": [{"say": "hi", "mood": "calm"}]}]
        history = nt.engines.find("acme").history(turn.to_messages("acme").body)
        assert [block.text for block in history] == ["x", "hi"]
    """,
    "its media go to other providers, and theirs to it": """
        picture = {"picture": "iVBO"}
        turn = nt.turn(nt.user("Look.").edit(media=[picture]))
        content = nt.engines.request("anthropic:claude-x", turn)["messages"][0]["content"]
        assert content[1]["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBO"}
        turn = nt.turn(nt.user("Look.").edit(media=[content[1]]))
        assert nt.engines.request("acme:a-1", turn)["lines"][-1] == {"who": "user", "parts": [picture]}
    """,
    "its thoughts stay behind when another provider goes on, and the notice names it": """
        from nbturns.engines.cross_provider import unsent_notice
        from nbturns.engines.verbatim import OriginalItems
        from nbturns.values.blocks import make_block
        thought = OriginalItems("acme").attach(make_block("reasoning", {"text": "secret"}), raw={"think": "secret"}, index=0)
        turn = nt.turn("x") + (thought,)
        body = nt.engines.request("gemini:gemini-2.5-flash", turn)
        notice = unsent_notice(turn, nt.engines.find("gemini"), body)
        assert notice == "not sent to gemini, which cannot read it: thought of acme", notice
    """,
    "a profile may use it": """
        profiles = nt.load_profiles(
            {"slug": "t", "profiles": {"p": {"engine": "acme:a-1", "params": {"heat": 0.5}}}}, env_file=None
        )
        session = profiles["p"].session()
        session.ask("x").result(60)
        assert session.engine.transport.sent[0]["heat"] == 0.5
    """,
}


def install(folder: Path, name: str, source: str) -> None:
    """Write a distribution with one entry point, as pip would install it."""
    (folder / f"{name}_nbturns.py").write_text(source)
    metadata = folder / f"{name}_nbturns-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-nbturns\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[nbturns.engines]\n{name} = {name}_nbturns:PROVIDER\n")


def run_python(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_provider_of_another_package_does_all_that_ours_do(tmp_path: Path) -> None:
    install(tmp_path, "acme", PLUGIN)
    lines = ["import textwrap, traceback", "import nbturns as nt", f"checks = {CHECKS!r}", "failed = 0"]
    lines += ["for name, code in checks.items():", "    try:", "        exec(textwrap.dedent(code), {'nt': nt})"]
    lines += ["    except Exception:", "        failed += 1; print(name); traceback.print_exc()"]
    lines += ["print('failed:', failed)"]

    done = run_python(tmp_path, "\n".join(lines))

    assert done.stdout.splitlines()[-1:] == ["failed: 0"], done.stdout + done.stderr


def test_a_broken_provider_is_named_in_a_warning_and_breaks_no_other(tmp_path: Path) -> None:
    install(tmp_path, "broken", "import a_package_that_is_not_there\n")
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
    script = f"""
import nbturns as nt
turn = nt.turn(nt.user("Look.").edit(media=[{picture!r}]))
for _ in range(2):
    print(nt.engines.request("anthropic:claude-x", turn)["messages"][0]["content"][1]["type"])
try:
    nt.engine("broken:b-1")
except nt.EngineError as error:
    print(error)
"""

    done = run_python(tmp_path, script)

    problem = (
        "the package 'broken-nbturns' failed (entry point broken = 'broken_nbturns:PROVIDER' in nbturns.engines): "
        "ModuleNotFoundError"
    )
    kinds = done.stdout.splitlines()
    assert (kinds[:2], kinds[2].startswith(problem)) == (["image", "image"], True), done.stdout + done.stderr
    assert done.stderr.count(problem) == 1


# No module outside a provider's own names providers.

NAMES = {"anthropic", "claude", "openai", "openai-chat", "openai_chat", "openai-responses", "openai_responses"}
NAMES |= {"gemini", "google"}
OWN_MODULES = ("anthropic", "openai", "gemini", "dialects")  # how the parts of a provider's own path begin
PROFILE_FILES = {"openai", "openai-responses", "openai-chat", "claude", "anthropic", "gemini", "google"}
FOREIGN_FORMATS: dict[
    str, set[str]
] = {  # modules that read files in which another program names providers, and tables of packages and prices
    "values/inference_results": {"claude"},  # geppetto's name of Anthropic
    "fast/nbturns_lines": {"claude"},
    "fast/inspect_samples": {"claude"},
    "profiles/config": PROFILE_FILES,  # `api_type`, and the sections of a profile
    "profiles/registry": PROFILE_FILES,
    "profiles/schema": PROFILE_FILES,
    "profiles/overrides": PROFILE_FILES,
    "values/model_info": {"anthropic", "openai", "gemini"},  # pages that the prices are from
    "values/price_tables": {"gemini"},  # genai-prices calls it google
    "testing/exchanges": {"openai_chat", "openai_responses", "gemini"},  # families of recorded HTTP exchanges
    "nbturns/packages": {"anthropic", "openai"},  # names of Python packages
    "capturing/instrumentations": {"anthropic", "openai"},  # names of Python packages
    "nbturns/environment_check": {"anthropic", "openai", "gemini"},  # names of Python packages
    "capturing/span_capture": {"anthropic", "openai"},  # names of Python packages
    "nbturns/transcript_commands": {"anthropic", "openai", "gemini"},  # extras of ours
    "tools/provider_options": {"anthropic", "claude", "gemini", "google", "openai", "openai-chat", "openai-responses"},
    "tools/frameworks": {"openai", "openai-chat"},  # tools as OpenAI's dicts
}


def provider_names(tree: ast.AST) -> Iterator[str]:
    """Yield the provider names that are dict keys, or that something is compared with."""
    for node in ast.walk(tree):
        compared: list[ast.expr | None] = []
        if isinstance(node, ast.Dict):
            compared = node.keys
        elif isinstance(node, ast.Compare):
            compared = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            compared = [node.value]
        for expression in compared:
            items = expression.elts if isinstance(expression, (ast.Tuple, ast.List, ast.Set)) else [expression]
            for item in items:
                if isinstance(item, ast.Constant) and item.value in NAMES:
                    yield item.value


def shared_modules() -> list[Path]:
    """Return the modules that are neither a provider's own nor read a transcript format."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        is_own = parts[0] == "engines" and any(part.startswith(OWN_MODULES) for part in parts[1:])
        if not is_own and parts[0] != "importers":
            found.append(path)
    return found


def test_no_shared_module_has_a_table_of_providers() -> None:
    modules = shared_modules()
    violations = set()
    for path in modules:
        allowed = FOREIGN_FORMATS.get(f"{path.parent.name}/{path.stem}", set())
        names = set(provider_names(ast.parse(path.read_text(encoding="utf-8"))))
        violations |= {(str(path.relative_to(PACKAGE)), name) for name in names - allowed}

    assert len(modules) > 100
    assert not violations


@pytest.mark.parametrize(
    "code", ['x = {"gemini": 1}', 'x == "claude"', 'x in ("openai", 1)', 'match x:\n case "google": 1']
)
def test_a_table_of_providers_would_be_found(code: str) -> None:
    assert list(provider_names(ast.parse(code)))
