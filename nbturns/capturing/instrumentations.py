"""The instrumentations that report the model calls of frameworks and SDKs, by the module that a program imports."""

from __future__ import annotations

import sys

OPENINFERENCE = "pip install openinference-instrumentation-{package} and call {instrumentor}().instrument()"
# Module, and package and instrumentor of OpenInference.
OPENINFERENCE_MODULES = {
    "agents": ("openai-agents", "OpenAIAgentsInstrumentor"),
    "langgraph": ("langchain", "LangChainInstrumentor"),
    "langchain_core": ("langchain", "LangChainInstrumentor"),
    "smolagents": ("smolagents", "SmolagentsInstrumentor"),
    "claude_agent_sdk": ("claude-agent-sdk", "ClaudeAgentSDKInstrumentor"),
    "agno": ("agno", "AgnoInstrumentor"),
    "llama_index": ("llama-index", "LlamaIndexInstrumentor"),
    "crewai": ("crewai", "CrewAIInstrumentor"),
    "dspy": ("dspy", "DSPyInstrumentor"),
    "haystack": ("haystack", "HaystackInstrumentor"),
    "google.adk": ("google-adk", "GoogleADKInstrumentor"),
    "litellm": ("litellm", "LiteLLMInstrumentor"),
    "mistralai": ("mistralai", "MistralAIInstrumentor"),
    "groq": ("groq", "GroqInstrumentor"),
    "boto3": ("bedrock", "BedrockInstrumentor"),
}
CLIENT_MODULES = {  # SDKs whose clients `nt.capture(client)` takes
    "openai": ("openai", "OpenAIInstrumentor"),
    "anthropic": ("anthropic", "AnthropicInstrumentor"),
    "google.genai": ("google-genai", "GoogleGenAIInstrumentor"),
}
OTHER_HINTS = {
    "pydantic_ai": "call pydantic_ai.Agent.instrument_all()",
    "inspect_ai": "nt.load() reads the logs of Inspect",
}
NO_HINT = "import the framework, switch its instrumentation on, then call nt.capture()"


def installation_hint() -> str:
    """Return what to install and to call for the frameworks and SDKs that are imported.

    SDKs are named when no framework is imported that uses them.
    """
    hints = [hint for module, hint in OTHER_HINTS.items() if module in sys.modules]
    hints += _openinference_hints(OPENINFERENCE_MODULES)
    hints = hints or [f"{hint}, or nt.capture(client)" for hint in _openinference_hints(CLIENT_MODULES)]
    return "; or ".join(dict.fromkeys(hints)) or NO_HINT


def _openinference_hints(modules: dict[str, tuple[str, str]]) -> list[str]:
    return [
        OPENINFERENCE.format(package=package, instrumentor=instrumentor)
        for module, (package, instrumentor) in modules.items()
        if module in sys.modules
    ]
