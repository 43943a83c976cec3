"""Secrets inside texts: keys of providers, tokens and passwords as they appear in error messages, files and commands."""

from __future__ import annotations

import re

HIDDEN_TEXT = "…"

_LABEL = (
    r"(?:api[-_ ]?key|(?:access|account|secret|private|signing|shared|storage)(?:[-_ ]?access)?[-_ ]?key|secret"
    r"|(?:auth|access|session|refresh|id|bearer|bot)[-_ ]?token|token|password|passwd|passphrase|pwd|x-goog-api-key|x-api-key)"
)
_LABEL_START = r"(?:(?<![A-Za-z0-9])|(?<=(?-i:[a-z]))(?=(?-i:[A-Z])))"  # also OPENAI_API_KEY and openaiApiKey
_WORD = r"[^\s\"'&,;})\]]{4,}"
_QUOTED = r"(?:\\.|(?!(?P=quote))[^\\\n]){4,}"
_QUOTED_OR_WORD = rf"(?P<escape>\\)?(?P<quote>[\"'])?(?P<secret>(?(escape)[^\\\n]{{4,}}|(?(quote){_QUOTED}|{_WORD})))"
_RANDOM = r"(?=[\w\-]{0,80}[0-9]|[\w\-]{0,80}[A-Za-z0-9]{16})"  # not the name of a function: hf_hub_download
_START = r"(?<![A-Za-z0-9])"
# Prefixes of keys, with "-" or "_" behind them, and those that only "_" follows.
_PREFIXES = (
    "sk|pk|rk|csk|gsk|xai|nvapi|hf|gh[oprsu]|github_pat|gl(?:pat|dt|rt|ptt|soat|cbt)|xox[abeoprs]|xapp|r8|fw|tgp_v1|pplx"
    "|lsv2|sntrys|sntryu|tvly|sq0(?:atp|csp|idp)"
)
_UNDERSCORE_PREFIXES = (
    "jina|pcsk|vck|vercel_blob_rw|esecret|ntn|lin_api|ph[cx]|sbp|sgp|e2b|rpa|fm[12]|fo1|nfp|glsa|glc|dckr_(?:pat|oat)|whsec"
    "|npm|shp(?:at|ss|ca|pa)|do[opr]_v1|sb_secret|figd"
)
# Keys with a form of their own.
_FORMS = (
    r"AIza[\w\-]{20,}|AQ\.[\w\-]{30,}|ya29\.[\w\-]{20,}|(?:AKIA|ASIA)[0-9A-Z]{12,}|ABSK[A-Za-z0-9+/]{40,}=*|SK[0-9a-f]{32}"
    r"|SG\.[\w\-]{16,}\.[\w\-]{16,}|hv[bs]\.\w{20,}|dp\.[a-z]{2,5}\.\w{30,}|dapi[0-9a-f]{32}|(?:key|fc)-[0-9a-f]{32}"
    r"|pa-[\w\-]{36,}|a[ks]-\w{20,}|local-[0-9a-f]{32,}|ATATT3[\w\-=]{30,}|AT(?:BB|CTT3)\w{20,}|BSA\w{24,}|\d{8,10}:AA[\w\-]{32,}"
    r"|[MNO][\w\-]{23,27}\.[\w\-]{6}\.[\w\-]{27,}|[0-9a-f]{32}\.[A-Za-z0-9]{16}(?!\w)|secret_[A-Za-z0-9]{40,}|AGE-SECRET-KEY-1\w{50,}"
    r"|pypi-[\w\-]{40,}"
)
# Each pattern has the secret in the group "secret".
SECRET_PATTERNS: tuple[re.Pattern[str], ...] = (
    re.compile(rf"{_START}(?P<secret>(?:(?:{_PREFIXES})[-_]|(?:{_UNDERSCORE_PREFIXES})_){_RANDOM}[A-Za-z0-9_\-]{{12,}})"),
    re.compile(rf"{_START}(?P<secret>{_FORMS})"),
    re.compile(r"(?P<secret>\beyJ[A-Za-z0-9_\-]{8,}\.(?:eyJ[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?|[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*))"),
    re.compile(r"(?i)\b(?:bearer|basic)\s+(?P<secret>[A-Za-z0-9._~+/\-]{8,}=*)"),
    re.compile(r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?(?!bearer|basic)(?:[a-z\-]+\s+)?(?P<secret>[A-Za-z0-9._~+/\-]{8,}=*)"),
    re.compile(r"(?i)\b(?:set-)?cookie[\"']?\s*[:=]\s*[\"']?(?P<secret>[\w.\-]+=[^\s\"'][^\r\n\"']*)"),
    re.compile(rf"(?i){_LABEL_START}{_LABEL}\b\\?[\"']?\s*[:=]\s*{_QUOTED_OR_WORD}"),
    re.compile(r"(?i)\b(?:signature|sig)\b[\"']?\s*[:=]\s*[\"']?(?P<secret>(?=[^\s\"'&]{0,60}\d)[^\s\"'&,;})\]]{8,})"),
    re.compile(rf"(?i)(?<![\w\-])--(?:[a-z]+-)*{_LABEL}\s+[\"']?(?P<secret>[^\s\"']{{4,}})"),
    re.compile(r"(?i)\blogin\s+\S+\s+password\s+(?P<secret>\S{4,})"),  # ~/.netrc
    re.compile(r"(?<!\S)(?:-u|--user)\s+[\"']?[^\s\"':]+:(?!\d+\b)(?P<secret>[^\s\"']{4,})"),  # curl
    re.compile(r"(?i)\b[a-z][a-z0-9+.\-]{0,20}://(?P<secret>[^\s/@:]*:[^\s/@]+)@"),
    re.compile(r"https://hooks\.slack\.com/services/(?P<secret>[\w/]{20,})"),
    re.compile(r"(?s)(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z))"),
)  # fmt: skip


def without_secrets(text: str) -> str:
    """Return the text with "…" in place of each secret."""
    for pattern in SECRET_PATTERNS:
        text = pattern.sub(_hide, text)
    return text


def _hide(match: re.Match[str]) -> str:
    start, end = match.span("secret")
    return f"{match[0][: start - match.start()]}{HIDDEN_TEXT}{match[0][end - match.start() :]}"
