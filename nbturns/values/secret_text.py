"""Secrets inside texts: keys of providers, tokens and passwords as they appear in error messages."""

from __future__ import annotations

import re

HIDDEN_TEXT = "…"

_LABEL = r"(?:api[-_ ]?key|access[-_ ]?key|secret(?:[-_ ]?key)?|auth[-_ ]?token|access[-_ ]?token|session[-_ ]?token|refresh[-_ ]?token|token|password|passwd|pwd|signature|sig|x-goog-api-key|x-api-key)"
# Each pattern has the secret in the group "secret".
SECRET_PATTERNS: tuple[re.Pattern[str], ...] = (
    re.compile(
        r"(?P<secret>\b(?:sk|pk|rk|gsk|xai|nvapi|hf|ghp|gho|ghs|ghu|github_pat|glpat|xox[abprs]|r8|fw|tgp_v1|pplx|lsv2|sntrys)[-_][A-Za-z0-9_\-]{12,})"
    ),
    re.compile(r"(?P<secret>\bAIza[0-9A-Za-z_\-]{20,})"),
    re.compile(r"(?P<secret>\b(?:AKIA|ASIA)[0-9A-Z]{12,})"),
    re.compile(r"(?P<secret>\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*)"),
    re.compile(r"(?i)\b(?:bearer|basic)\s+(?P<secret>[A-Za-z0-9._~+/\-]{8,}=*)"),
    re.compile(rf"(?i)\b{_LABEL}\b[\"']?\s*[:=]\s*[\"']?(?P<secret>[^\s\"'&,;}})\]]{{4,}})"),
    re.compile(r"(?i)\b[a-z][a-z0-9+.\-]{0,20}://(?P<secret>[^\s/@:]*:[^\s/@]+)@"),
    re.compile(r"(?s)(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))"),
)


def without_secrets(text: str) -> str:
    """Return the text with "…" in place of each secret."""
    for pattern in SECRET_PATTERNS:
        text = pattern.sub(_hide, text)
    return text


def _hide(match: re.Match[str]) -> str:
    start, end = match.span("secret")
    return f"{match[0][: start - match.start()]}{HIDDEN_TEXT}{match[0][end - match.start() :]}"
