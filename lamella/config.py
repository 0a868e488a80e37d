"""Settings of a server: one frozen dataclass that flags, variables and the docs come from.

Each field carries its sentence, its unit and its parser, so that a setting is written down
once. `load` merges flags over environment variables over defaults and names every fault at
once, with its mend. What the settings mean is for `lamella.wiring` to know.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

PREFIX: Final = "LAMELLA_"
ENVIRONMENT_MEBIBYTES: Final = 256
"""Host memory reckoned for one environment when the default limit is worked out."""
FREEZE_SECONDS_LEAST: Final = 0.01
"""Sooner an environment cannot be frozen: it is looked at twice in the time."""

LEAST_MEMORY: Final = 64 * 2**20

_T = TypeVar("_T")


class SettingsRefused(ValueError):
    """Settings that cannot be served with; ``faults`` names each one and its mend."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class Auth(StrEnum):
    NONE = "none"
    SIGV4 = "sigv4"


class Roles(StrEnum):
    OPEN = "open"
    ENFORCED = "enforced"


class Network(StrEnum):
    NONE = "none"
    TAGGED = "tagged"
    HOST_NAT = "host-nat"


@dataclass(frozen=True, slots=True)
class Setting:
    """What is known of one field: its name, ``unit``, sentence and how its text is read."""

    name: str
    sentence: str
    parse: Callable[[str], Any]
    default: Any
    shown: str
    unit: str = ""
    metavar: str = "TEXT"

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def is_switch(self) -> bool:
        return self.parse is _switch


def default_data(environ: Mapping[str, str], uid: int) -> Path:
    """Where a server keeps what it stores: root's or, by the XDG rule, a user's own place."""
    if uid == 0:
        return Path("/var/lib/lamella")
    share = environ.get("XDG_DATA_HOME", "")
    if not Path(share).is_absolute():  # the rule: a relative path is to be ignored
        return Path(environ.get("HOME") or Path.home()) / ".local" / "share" / "lamella"
    return Path(share) / "lamella"


def default_max_environments() -> int:
    """One environment for each 256 MiB of memory, at least 4, at most 64 a core."""
    mebibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    cores = os.cpu_count() or 1
    return max(4, min(mebibytes // ENVIRONMENT_MEBIBYTES, 64 * cores))


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("may not be empty; leave it out to have the default")
    return text


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError("must be a number from 0 to 65535; 0 takes any free port")
    return int(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError("must be a whole number, 1 or more")
    return int(text)


@dataclass(frozen=True, slots=True)
class Memory:
    """An amount of memory: ``bytes``, or where that is None a ``percent`` of a machine's."""

    bytes: int | None = None
    percent: float = 0.0

    def of(self, total: int) -> int:
        """Bytes, on a machine that has ``total``."""
        return int(total * self.percent / 100) if self.bytes is None else self.bytes


def _memory(text: str) -> Memory:
    found = re.fullmatch(
        r"(\d{1,15}(?:\.\d{1,6})?)\s*(?:(%)|([KMGT]?)(?:i?B)?)", text.strip(), re.I
    )
    if found is not None:
        value = float(found[1])
        if found[2] and 0 < value <= 100:
            return Memory(percent=value)
        amount = int(value * 1024 ** " KMGT".index(found[3].upper() or " ")) if not found[2] else 0
        if amount >= LEAST_MEMORY:
            return Memory(amount)
    raise ValueError(
        f"must be a share such as 75% or an amount such as 12G, at least {LEAST_MEMORY // 2**20}M"
    )


def _on_or_off(text: str) -> bool:
    if text.lower() not in {"on", "off"}:
        raise ValueError("must be on or off")
    return text.lower() == "on"


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise ValueError("must be a number of seconds above 0, for example 600")
    return value


def _seconds_or_off(text: str) -> float | None:
    if text.lower() == "off":
        return None
    try:
        value = _seconds(text)
    except ValueError:
        value = -1.0
    if value < FREEZE_SECONDS_LEAST:
        raise ValueError(f"must be off or a number of seconds from {FREEZE_SECONDS_LEAST:g} up")
    return value


def _switch(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("must be true or false")


def _folder(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("must be a folder's path")
    return Path(text).expanduser().absolute()


def _log_format(text: str) -> LogFormat:
    try:
        return LogFormat(text.lower())
    except ValueError:
        raise ValueError("must be text or json") from None


def _auth(text: str) -> Auth:
    try:
        return Auth(text.lower())
    except ValueError:
        raise ValueError("must be none or sigv4") from None


def _roles(text: str) -> Roles:
    try:
        return Roles(text.lower())
    except ValueError:
        raise ValueError("must be open or enforced") from None


def _endpoint(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL such as http://127.0.0.1:9000")
    return text.rstrip("/")


def _function_endpoint(text: str) -> str | None:
    if text.lower() in {"self", "off"}:
        return None if text.lower() == "off" else "self"
    try:
        return _endpoint(text)
    except ValueError:
        raise ValueError("must be self, off or a URL such as http://10.0.0.1:4566") from None


def _network(text: str) -> Network:
    try:
        return Network(text.lower())
    except ValueError:
        raise ValueError("must be none, tagged or host-nat") from None


def _networks(text: str) -> tuple[ipaddress.IPv4Network, ...]:
    try:
        found = tuple(ipaddress.IPv4Network(part.strip()) for part in text.split(","))
    except ValueError as fault:
        raise ValueError(
            f"must be IPv4 networks, separated by commas, such as 10.0.0.0/8,192.168.1.20 ({fault})"
        ) from None
    if any(each.is_loopback for each in found):
        raise ValueError("cannot open the host's loopback: in a box, 127.0.0.0/8 is its own")
    return found


def _plain(value: object) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _setting(
    sentence: str,
    parse: Callable[[str], _T],
    default: _T | Callable[[], _T] | None,
    **more: str,
) -> Any:
    """A field of `Settings`; ``more`` may hold ``shown``, ``unit`` and ``metavar``."""
    metadata = {"sentence": sentence, "parse": parse, **more}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server is told at its start. ``data`` is not looked at where ``ephemeral`` is."""

    host: str = _setting("The address to listen on.", _text, "127.0.0.1", metavar="ADDRESS")
    port: int = _setting(
        "The port to listen on; 0 takes any free port.", _port, 4566, metavar="PORT"
    )
    data: Path = _setting(
        "The folder that keeps layers, functions and records.",
        _folder,
        lambda: default_data(os.environ, os.getuid()),
        metavar="DIR",
        shown="`/var/lib/lamella` for root, else `~/.local/share/lamella` (`XDG_DATA_HOME`)",
    )
    ephemeral: bool = _setting(
        "Keep everything in a temporary folder that is removed at the end.", _switch, False
    )
    auth: Auth = _setting(
        "Who may call: sigv4 (who signs with a key of lamella keys) or none (everybody who reaches"
        " the port).",
        _auth,
        Auth.NONE,
        metavar="KIND",
        shown="`none` on loopback, else `sigv4`",
    )
    roles: Roles = _setting(
        "What sessions of roles may do, and functions with them: what the role's policies allow"
        " (enforced), or all that the account may (open).",
        _roles,
        Roles.OPEN,
        metavar="KIND",
        shown="`enforced` with `--auth sigv4`, else `open`",
    )
    log_format: LogFormat = _setting(
        "How the server logs: text (readable lines) or json (one object a line).",
        _log_format,
        LogFormat.TEXT,
        metavar="FORMAT",
    )
    s3_endpoint: str | None = _setting(
        "The S3 server from which code named by S3Bucket and S3Key is read.",
        _endpoint,
        None,
        metavar="URL",
        shown="none: such requests are refused",
    )
    aws_endpoint: str | None = _setting(
        "The server that stands for SQS, SNS and EventBridge: destinations, dead-letter queues"
        " and event sources reach it.",
        _endpoint,
        None,
        metavar="URL",
        shown="none: events for other services go nowhere, and say so",
    )
    function_endpoint: str | None = _setting(
        "Where functions call AWS's services, as AWS_ENDPOINT_URL in their environment: a URL, self"
        " (this server, inside of every box) or off.",
        _function_endpoint,
        None,
        metavar="URL",
        shown="`off`",
    )
    network: Network = _setting(
        "Which functions reach what the host reaches (by slirp4netns, but for private addresses):"
        " none, those tagged lamella:network=host-nat (tagged), or all that are not tagged"
        " lamella:network=none (host-nat).",
        _network,
        Network.NONE,
        metavar="KIND",
    )
    network_allow: tuple[ipaddress.IPv4Network, ...] = _setting(
        "What functions with a network may reach of what is closed otherwise: private networks and"
        " addresses of this host, separated by commas.",
        _networks,
        (),
        metavar="NETWORKS",
        shown="nothing",
    )
    max_environments: int = _setting(
        "How many execution environments may live at once, idle ones included.",
        _count,
        default_max_environments,
        metavar="COUNT",
        unit="environments",
        shown=f"one for each {ENVIRONMENT_MEBIBYTES} MiB of memory, 4 to 64 a core",
    )
    max_memory: Memory = _setting(
        "How much memory all environments may hold together: an amount (12G) or a share of the"
        " machine's (75%). Past it idle ones end, those unused longest first.",
        _memory,
        Memory(percent=75.0),
        metavar="SIZE",
        shown="`75%`",
    )
    preload: bool = _setting(
        "Whether boxes and processes are made ahead of the functions that will need them, with what"
        " those import (on), or every environment begins from nothing (off).",
        _on_or_off,
        True,
        metavar="WHEN",
        shown="`on`",
    )
    warm_memory: Memory = _setting(
        "How much memory what is made ahead may hold together: an amount (2G) or a share of the"
        " machine's (10%). Past it the least valuable goes.",
        _memory,
        Memory(percent=10.0),
        metavar="SIZE",
        shown="`10%`",
    )
    account_concurrency: int = _setting(
        "How many invocations each account may have under way at once in a region.",
        _count,
        1000,
        metavar="COUNT",
        unit="invocations",
    )
    event_retry_seconds: float = _setting(
        "How long an asynchronous event waits before its first retry; the second waits twice as long.",
        _seconds,
        60.0,
        metavar="SECONDS",
        unit="seconds",
    )
    idle_seconds: float = _setting(
        "How long an environment stays warm without an invocation.",
        _seconds,
        600.0,
        metavar="SECONDS",
        unit="seconds",
    )
    freeze_after: float | None = _setting(
        "How long an environment is idle before everything in it is frozen; off lets it run on.",
        _seconds_or_off,
        0.1,
        metavar="SECONDS",
        unit="seconds, or off",
    )


SETTINGS: Final[tuple[Setting, ...]] = tuple(
    Setting(
        name=each.name,
        default=each.default,
        **{"shown": f"`{_plain(each.default)}`", **each.metadata},
    )
    for each in fields(Settings)
)


def load(
    flags: Mapping[str, str | bool | None],
    environ: Mapping[str, str],
    *,
    uid: int | None = None,
) -> Settings:
    """Flags over variables over defaults.

    ``flags`` maps field names to the text (a switch: the bool) given on the command line, None
    where there was none. Raises `SettingsRefused` with every fault.
    """
    values: dict[str, Any] = {}
    faults: list[str] = []
    for setting in SETTINGS:
        given = flags.get(setting.name)
        source, text = setting.flag, given
        if given is None:
            source, text = setting.variable, environ.get(setting.variable)
        if text is None:
            continue
        try:
            values[setting.name] = text if isinstance(text, bool) else setting.parse(text)
        except ValueError as fault:
            values[setting.name] = setting.default
            faults.append(f"{source} {text!r}: {fault}.")
    faults += _together(values)
    if faults:
        raise SettingsRefused(tuple(faults))
    return _completed(values, environ, os.getuid() if uid is None else uid)


def _together(values: Mapping[str, Any]) -> list[str]:
    """The faults of settings that are each well formed but do not go together."""
    faults = []
    if values.get("ephemeral") and "data" in values:
        faults.append("--ephemeral keeps nothing, so it does not go with --data; give one of them.")
    return faults


def _completed(values: dict[str, Any], environ: Mapping[str, str], uid: int) -> Settings:
    values.setdefault("data", default_data(environ, uid))
    if not is_loopback(values.get("host", "127.0.0.1")):
        values.setdefault("auth", Auth.SIGV4)
    if values.get("auth") is Auth.SIGV4:
        values.setdefault("roles", Roles.ENFORCED)
    return Settings(**values)


def warnings(settings: Settings) -> tuple[str, ...]:
    """What is allowed but worth saying at the start."""
    if is_loopback(settings.host) or settings.auth is not Auth.NONE:
        return ()
    return (
        f"Everybody who can reach {settings.host} may run code on this machine: no signature is"
        " checked (--auth none).",
    )


def is_loopback(host: str) -> bool:
    """Whether ``host`` is an address, or the name, that only this machine reaches."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def table() -> str:
    """The settings as a Markdown table, as ``docs/cli.md`` holds it."""
    rows = ["| flag | variable | default | unit | what it is |", "|---|---|---|---|---|"]
    for each in SETTINGS:
        flag = each.flag if each.is_switch else f"{each.flag} {each.metavar}"
        rows.append(
            f"| `{flag}` | `{each.variable}` | {each.shown} | {each.unit} | {each.sentence} |"
        )
    return "\n".join(rows) + "\n"
