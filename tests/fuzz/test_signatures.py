"""Made-up requests where signatures are checked: what botocore has signed is never called wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.e2e.accounts import Key, new_key
from tests.e2e.server import Server, serving
from tests.fuzz import laws
from tests.fuzz.__main__ import OPTIONS
from tests.fuzz.noise import disturbed
from tests.fuzz.run import is_for_url, made
from tests.fuzz.services import Service, operations, services
from tests.fuzz.test_requests import SEED
from tests.fuzz.values import Maker
from tests.fuzz.wire import Answer, Client, Sent
from tests.fuzz.world import ACCOUNT, REGION, UUID, Made, beside, samples

REQUESTS = 350
WRONG = {
    *("InvalidSignatureException", "IncompleteSignatureException", "UnrecognizedClientException"),
    *("MissingAuthenticationTokenException", "SignatureDoesNotMatch", "IncompleteSignature"),
    *("InvalidClientTokenId", "MissingAuthenticationToken"),
}
MADE = Made(
    versions=("1", "1"),
    layer=f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:shared:1",
    config=f"arn:aws:lambda:{REGION}:{ACCOUNT}:code-signing-config:csc-{'0' * 17}",
    mapping=UUID,
    policy=f"arn:aws:iam::{ACCOUNT}:policy/p",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("signed") / "data"
    with serving(folder, "--auth", "sigv4", *OPTIONS) as server:
        yield server


@pytest.fixture(scope="module")
def key(server: Server) -> Key:
    return new_key(server, ACCOUNT)


def signed(sent: Sent, service: Service, key: Key, endpoint: str) -> Sent:
    """``sent`` with a signature of botocore's in place of the one that is none."""
    kept = [each for each in sent.headers if each != service.credential]
    host = ("Host", urlsplit(endpoint).netloc)
    asked = AWSRequest(sent.method, endpoint + sent.target, dict(kept), sent.body)
    SigV4Auth(Credentials(key.id, key.secret), service.name, REGION).add_auth(asked)
    return replace(
        sent, headers=(host, *((name, str(asked.headers[name])) for name in asked.headers))
    )


def series(kinds: tuple[str, ...]) -> Iterator[tuple[Service, str, Sent]]:
    random = Random(SEED)
    maker = Maker(random, {**samples(MADE), **beside(MADE)})
    asked = operations(list(services()), random)
    for number in range(REQUESTS):
        service, name = random.choice(asked)
        yield service, name, made(kinds[number % len(kinds)], service, name, maker)[0]


def against_the_law(sent: Sent, answer: Answer) -> str | None:
    if is_for_url(sent):
        return laws.of_url(answer)
    return laws.any_answer(answer, head=sent.method == "HEAD")


def test_a_signature_of_botocore_is_right_whatever_it_signs(server: Server, key: Key) -> None:
    client, broken = Client(server.endpoint), []
    for service, name, sent in series(("valid", "valid", "invalid")):
        answer = client.ask(signed(sent, service, key, server.endpoint))
        code = (laws.told(answer) or ("", ""))[0] if answer.status >= 400 else ""
        if code in WRONG or laws.any_answer(answer, name, refused=service.refused):
            broken.append((sent, answer))
    client.close()
    assert broken == []


def test_who_has_not_signed_is_refused_in_good_form(server: Server) -> None:
    random, client, broken = Random(SEED), Client(server.endpoint), []
    for _, _, sent in series(("valid", "noise")):
        disturbing = disturbed(sent, random)
        answer = client.ask(disturbing)
        is_page = any(page in disturbing.target for page in ("/healthz", "/metrics"))
        served = answer.status < 300 and not is_page
        if against_the_law(disturbing, answer) or served:
            broken.append((disturbing, answer))
    client.close()
    assert broken == []
