"""Settings: where each comes from, what is refused, and that every fault is named at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamella import config
from lamella.config import (
    SETTINGS,
    Auth,
    LogFormat,
    Network,
    Roles,
    Settings,
    SettingsRefused,
    load,
)

HOME = {"HOME": "/home/ada"}


def refused(flags: dict[str, str | bool | None], **environ: str) -> tuple[str, ...]:
    with pytest.raises(SettingsRefused) as caught:
        load(flags, {**HOME, **environ}, uid=1000)
    return caught.value.faults


def test_without_a_word_the_server_listens_on_loopback_and_keeps_data_at_home() -> None:
    settings = load({}, HOME, uid=1000)
    assert (settings.host, settings.port) == ("127.0.0.1", 4566)
    assert settings.data == Path("/home/ada/.local/share/lamella")
    assert settings.log_format is LogFormat.TEXT
    assert settings.max_environments >= 4


def test_root_keeps_data_in_var_lib() -> None:
    assert load({}, HOME, uid=0).data == Path("/var/lib/lamella")


def test_the_xdg_folder_is_used_when_it_is_absolute() -> None:
    assert load({}, {**HOME, "XDG_DATA_HOME": "/d"}, uid=1).data == Path("/d/lamella")
    relative = load({}, {**HOME, "XDG_DATA_HOME": "d"}, uid=1).data
    assert relative == Path("/home/ada/.local/share/lamella")


def test_a_flag_wins_over_a_variable_and_a_variable_over_the_default() -> None:
    environ = {**HOME, "LAMELLA_PORT": "5000", "LAMELLA_LOG_FORMAT": "json"}
    settings = load({"port": "6000"}, environ, uid=1000)
    assert settings.port == 6000
    assert settings.log_format is LogFormat.JSON


def test_a_relative_folder_becomes_absolute() -> None:
    assert load({"data": "here"}, HOME, uid=1000).data == Path.cwd() / "here"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("host", " "),
        ("port", "65536"),
        ("port", "-1"),
        ("port", "http"),
        ("data", ""),
        ("auth", "iam"),
        ("roles", "some"),
        ("function_endpoint", "on"),
        ("log_format", "xml"),
        ("s3_endpoint", "127.0.0.1:9000"),
        ("max_environments", "0"),
        ("idle_seconds", "0"),
        ("idle_seconds", "nan"),
        ("idle_seconds", "soon"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_the_name_of_its_flag(name: str, text: str) -> None:
    (fault,) = refused({name: text})
    assert fault.startswith(f"--{name.replace('_', '-')} {text!r}: ")


def test_a_variable_at_fault_is_named_as_a_variable() -> None:
    (fault,) = refused({}, LAMELLA_EPHEMERAL="perhaps")
    assert fault == "LAMELLA_EPHEMERAL 'perhaps': must be true or false."


def test_all_faults_are_named_together() -> None:
    faults = refused({"port": "x", "log_format": "xml"}, LAMELLA_IDLE_SECONDS="-1")
    assert len(faults) == 3


def test_on_other_addresses_than_loopback_requests_must_be_signed() -> None:
    assert load({}, HOME, uid=1000).auth is Auth.NONE
    signed = load({"host": "0.0.0.0"}, HOME, uid=1000)
    assert (signed.auth, signed.roles) == (Auth.SIGV4, Roles.ENFORCED)
    assert config.warnings(signed) == ()
    assert load({"auth": "SigV4"}, HOME, uid=1000).auth is Auth.SIGV4


def test_another_address_can_be_opened_to_everybody_on_purpose() -> None:
    opened = load({"host": "0.0.0.0", "auth": "none"}, HOME, uid=1000)
    assert (opened.auth, opened.roles) == (Auth.NONE, Roles.OPEN)
    assert "may run code" in config.warnings(opened)[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_loopback_needs_no_word_and_gets_no_warning(host: str) -> None:
    assert config.warnings(load({"host": host}, HOME, uid=1000)) == ()


def test_a_folder_and_ephemeral_do_not_go_together() -> None:
    (fault,) = refused({"ephemeral": True, "data": "/d"})
    assert "give one of them" in fault


def test_networks_that_functions_may_reach_are_read_and_checked() -> None:
    settings = load({"network": "Tagged", "network_allow": "10.0.0.0/8, 192.168.1.5"}, HOME)
    assert settings.network is Network.TAGGED
    assert [str(each) for each in settings.network_allow] == ["10.0.0.0/8", "192.168.1.5/32"]
    assert load({}, HOME).network is Network.NONE
    for wrong in ("10.0.0.1/8", "fc00::/7", "", "example.com", "127.0.0.1"):
        (fault,) = refused({"network_allow": wrong})
        assert fault.startswith(f"--network-allow {wrong!r}: ")
    (fault,) = refused({"network": "bridge"})
    assert fault.endswith("must be none, tagged or host-nat.")


def test_every_setting_has_a_sentence_a_flag_and_a_variable() -> None:
    assert {each.name for each in SETTINGS} == set(Settings.__dataclass_fields__)
    for each in SETTINGS:
        assert each.sentence.endswith(".")
        assert each.flag in config.table()
        assert each.variable in config.table()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("75%", 750),
        ("0.5 %", 5),
        ("100%", 1000),
        ("67108864", 2**26),
        ("64M", 2**26),
        ("64MiB", 2**26),
        ("1.5g", 3 * 2**29),
        ("12 GB", 12 * 2**30),
        ("2T", 2**41),
    ],
)
def test_an_amount_of_memory_is_bytes_or_a_share(text: str, expected: int) -> None:
    assert load({"max_memory": text}, HOME, uid=1).max_memory.of(1000) == expected


@pytest.mark.parametrize("text", ["", "0%", "101%", "-1G", "63M", "12", "12X", "G", "1e9", "5%M"])
def test_an_amount_of_memory_that_is_none_is_refused(text: str) -> None:
    (fault,) = refused({"max_memory": text})
    assert "must be a share such as 75% or an amount such as 12G, at least 64M" in fault


def test_roles_are_enforced_where_callers_are_checked_unless_it_is_said_otherwise() -> None:
    assert load({"auth": "sigv4"}, HOME, uid=1000).roles is Roles.ENFORCED
    assert load({"auth": "sigv4", "roles": "open"}, HOME, uid=1000).roles is Roles.OPEN
    assert load({"roles": "Enforced"}, HOME, uid=1000).roles is Roles.ENFORCED


@pytest.mark.parametrize(
    ("text", "means"),
    [("off", None), ("Self", "self"), ("http://10.0.0.1:4566/", "http://10.0.0.1:4566")],
)
def test_where_functions_call_back_is_off_self_or_a_url(text: str, means: str | None) -> None:
    assert load({}, HOME, uid=1000).function_endpoint is None
    assert load({"function_endpoint": text}, HOME, uid=1000).function_endpoint == means
