"""Which URLs are fetched, and where names may lead: the corpora, and both sides of every rule."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from cihealing import providers
from cihealing.http import addresses, urls
from cihealing.http.refusal import Refusal, RequestRefused
from cihealing.http.urls import Allowed, Target
from tests.http.corpus import PUBLIC, SIDES, STANDARD, ask, crowded, entries, hosts_of, ids
from tests.http.corpus import allowed as allowed_at
from tests.tables import table

HOSTILE, BENIGN = entries("urls/hostile.yaml"), entries("urls/benign.yaml")


def judged(url: str, **settings: str) -> Target | Refusal:
    return urls.judge(url, among=allowed_at(settings))


def rule(found: object) -> str:
    return found.rule if isinstance(found, Refusal) else ""


def test_no_technique_is_crowded_and_there_are_enough() -> None:
    assert crowded(HOSTILE) == []
    assert len(HOSTILE) >= 150
    assert len(BENIGN) >= 60
    assert all({"id", "technique", "rule", "source", "url"} <= row.keys() for row in HOSTILE)


@table("entry", HOSTILE, ids=ids(HOSTILE))
def test_a_hostile_url_meets_its_rule(entry: dict[str, Any]) -> None:
    with pytest.raises(RequestRefused) as refused:
        ask(entry)
    assert refused.value.refusal.rule == entry["rule"]
    assert f"({entry['rule']})" in str(refused.value)
    assert len(str(refused.value)) < 600


@table("entry", BENIGN, ids=ids(BENIGN))
def test_an_everyday_url_is_fetched_at_its_own_address(entry: dict[str, Any]) -> None:
    asked = ask(entry)
    assert len(asked.seen) == 1 + len(entry.get("redirects", []))
    for request in asked.seen:
        address = addresses.parsed(request.url.host)
        assert address is not None
        assert request.extensions.get("sni_hostname", request.url.host) in request.headers[
            "host"
        ].replace("[", "").replace("]", "")


@table(
    ("url", "target"),
    [
        ("https://API.github.com", ("https", "api.github.com", 443, "/")),
        ("https://api.github.com?x=1", ("https", "api.github.com", 443, "/?x=1")),
        ("https://h.example:1/a%2Fb?c=%2F", ("https", "h.example", 1, "/a%2Fb?c=%2F")),
        ("http://h.example:65535/", ("http", "h.example", 65535, "/")),
        ("http://h.example", ("http", "h.example", 80, "/")),
        ("https://[2001:DB8:0::1]:8443/", ("https", "2001:db8::1", 8443, "/")),
        ("https://1.2.3.4/", ("https", "1.2.3.4", 443, "/")),
        ("https://0.0.0.0/", ("https", "0.0.0.0", 443, "/")),
        ("https://255.255.255.255/", ("https", "255.255.255.255", 443, "/")),
        ("https://a_b.example/ü", ("https", "a_b.example", 443, "/%C3%BC")),
        ("https://1e100.net/", ("https", "1e100.net", 443, "/")),
        ("https://4chan.0x.example/", ("https", "4chan.0x.example", 443, "/")),
        ("https://" + "a" * 63 + ".example/", ("https", "a" * 63 + ".example", 443, "/")),
        ("https://h.example/..a/b../...", ("https", "h.example", 443, "/..a/b../...")),
        ("https://h.example/a?b#step:4:12", ("https", "h.example", 443, "/a?b")),
        ("https://h.example/a#", ("https", "h.example", 443, "/a")),
        ("https://h.example/a%20b?q=%0D", None),
        (
            "https://h.example/?next=https://x@y/../z",
            ("https", "h.example", 443, "/?next=https://x@y/../z"),
        ),
    ],
)
def test_the_parts_of_a_plain_url(url: str, target: tuple[str, str, int, str] | None) -> None:
    found = urls.split(url)
    if target is None:
        assert rule(found) == "url.escaped_control"
    else:
        assert isinstance(found, Target)
        assert (found.scheme, found.host, found.port, found.path) == target


@table(
    "char",
    [
        "\0",
        "\x7f",
        "\x85",
        "\u200b",
        "\ud800",
        "\ue000",
        "\u0378",
        "\u3000",
        "\u2028",
        "\u2029",
        " ",
    ],
)
def test_characters_nobody_sees_are_refused_wherever_they_stand(char: str) -> None:
    for url in (
        f"https://h.example/a{char}b",
        f"https://h{char}.example/",
        f"{char}https://h.example/",
        f"https://h.example/?a{char}",
    ):
        assert rule(urls.split(url)) == "url.hidden"


def test_the_longest_url_is_one_of_eight_thousand_characters() -> None:
    start = "https://h.example/"
    assert isinstance(urls.split(start + "a" * (8_000 - len(start))), Target)
    assert rule(urls.split(start + "a" * (8_001 - len(start)))) == "url.too_long"


def test_the_longest_host_is_one_of_253_characters() -> None:
    host = ".".join(["a" * 49] * 5)
    assert isinstance(urls.split(f"https://{host}.abc/"), Target)
    assert rule(urls.split(f"https://{host}.abcd/")) == "url.host_form"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("1.2.3.4", True),
        ("1.2.3.256", False),
        ("01.2.3.4", False),
        ("1.2.3", False),
        ("1.2.3.4.5", False),
        ("1.2.3.", False),
        ("300.1.1.1", False),
        ("199.249.250.99", True),
    ],
)
def test_only_the_usual_notation_is_an_address(host: str, address: bool) -> None:
    assert isinstance(urls.split(f"https://{host}/"), Target) is address


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://h.example/a?sig=secret", "https://h.example/a"),
        ("https://h.example:444/a", "https://h.example:444/a"),
        ("http://[::1]:80/a", "http://[::1]/a"),
    ],
)
def test_messages_hold_no_query(url: str, said: str) -> None:
    found = urls.split(url)
    assert isinstance(found, Target)
    assert found.plain == said


def test_what_is_accepted_is_read_alike_by_all_who_read_it() -> None:
    """Of random strings of characters that divide parsers, those accepted have one host for all,
    and reach the wire unchanged.
    """
    chance, accepted = random.Random(5), 0
    for _ in range(30_000):
        url = "https://" + "".join(
            chance.choices("ab1.-_:/?#[]@%2e0x;~é\\ \t,&=xn", k=chance.randint(1, 14))
        )
        found = urls.split(url)
        if isinstance(found, Target):
            accepted += 1
            sent = httpx.URL(
                scheme=found.scheme, host=found.host, port=found.port, raw_path=found.path.encode()
            )
            assert (sent.host, sent.port or 443, sent.raw_path.decode()) == (
                found.host,
                found.port,
                found.path,
            )
            assert (urlsplit(url).hostname, urlsplit(url).port or 443) == (found.host, found.port)
    assert accepted > 500


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://gitlab.example/", "https://gitlab.example"),
        (" https://gitlab.example:8443/sub/ ", "https://gitlab.example:8443/sub"),
        ("https://gitlab.bücher.example", "https://gitlab.xn--bcher-kva.example"),
        ("gitlab.example", "url.form"),
        ("ftp://gitlab.example", "url.scheme"),
        ("https://u:p@gitlab.example", "url.userinfo"),
        ("https://gitlab.example?x=1", "url.base_query"),
        ("https://ａ..example", "url.host_form"),
    ],
)
def test_a_base_url_of_a_setting(value: str, expected: str) -> None:
    found = urls.base_of(value, setting="CI_HEALING_GITLAB_URL")
    if isinstance(found, Refusal):
        assert found.rule == expected
        assert found.text.startswith("CI_HEALING_GITLAB_URL: ")
    else:
        assert found.url == expected


def test_a_side_without_setting_is_everybodys() -> None:
    bases = [
        base.url
        for side in SIDES
        for base in urls.bases_of(hosts_of(side, {}))
        if isinstance(base, urls.Base)
    ]
    assert bases == [
        "https://api.buildkite.com",
        "https://circleci.com",
        "https://api.github.com",
        "https://gitlab.com",
    ]


def test_a_wrong_base_url_opens_nothing_and_spoils_nothing() -> None:
    settings = {"CI_HEALING_JENKINS_URL": "nonsense, https://ci.example"}
    assert [rule(found) for found in urls.bases_of(hosts_of("jenkins", settings))] == [
        "url.form",
        "",
    ]
    assert isinstance(judged("https://ci.example/job/x/1", **settings), Target)


def test_a_configured_gitlab_takes_the_place_of_gitlab_com() -> None:
    assert (
        rule(judged("https://gitlab.com/a/b/-/jobs/1", CI_HEALING_GITLAB_URL="https://git.example"))
        == "host.not_allowed"
    )
    assert isinstance(judged("https://gitlab.com/a/b/-/jobs/1"), Target)


@table(
    ("url", "expected"),
    [
        ("https://logs.example/1", ""),
        ("https://LOGS.example/1", ""),
        ("https://a.logs.example/1", "host.not_allowed"),
        ("https://a.store.example/1", ""),
        ("https://a.b.store.example/1", ""),
        ("https://store.example/1", "host.not_allowed"),
        ("https://xstore.example/1", "host.not_allowed"),
        ("http://logs.example/1", "url.http"),
        ("https://logs.example:444/1", "url.port"),
        ("https://minio.example:9000/1", ""),
        ("https://minio.example/1", ""),
        ("https://minio.example:9001/1", "url.port"),
        ("http://minio.example:9000/1", "url.http"),
    ],
)
def test_further_hosts(url: str, expected: str) -> None:
    assert (
        rule(
            judged(
                url,
                CI_HEALING_FETCH_HOSTS="Logs.example, *.store.example,https://minio.example:9000",
            )
        )
        == expected
    )


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("b.s3.amazonaws.com", True),
        ("s3.amazonaws.com", True),
        ("my.bucket.s3.eu-west-1.amazonaws.com", True),
        ("b.s3-us-west-2.amazonaws.com", True),
        ("b.s3.dualstack.eu-west-1.amazonaws.com", True),
        ("s3.eu-central-1.amazonaws.com", True),
        ("xs3.amazonaws.com", False),
        ("b.s3.x.y.amazonaws.com", False),
        ("sts.amazonaws.com", False),
    ],
)
def test_stores_of_s3(host: str, allowed: bool) -> None:
    assert (rule(judged(f"https://{host}/x")) == "") is allowed


@table(
    ("side", "url", "allowed"),
    [
        ("github", "https://x.blob.core.windows.net/l", True),
        ("jenkins", "https://x.blob.core.windows.net/l", False),
        ("jenkins", "https://b.s3.amazonaws.com/l", False),
        ("github", "https://b.s3.amazonaws.com/l", True),
        ("gitlab", "https://b.s3.amazonaws.com/l", True),
        ("circleci", "https://b.s3.amazonaws.com/l", True),
        ("buildkite", "https://b.s3.amazonaws.com/l", True),
        ("", "https://b.s3.amazonaws.com/l", True),
        ("github", "https://gitlab.com/x", False),
        ("", "https://gitlab.com/x", True),
        ("gitlab", "https://storage.googleapis.com/x", True),
        ("github", "https://storage.googleapis.com/x", False),
        ("circleci", "https://app.circleci.com/x", True),
    ],
)
def test_a_side_leads_to_its_own_places_alone(side: str, url: str, allowed: bool) -> None:
    assert isinstance(urls.judge(url, among=allowed_at({}, side=side)), Target) is allowed


@pytest.mark.parametrize(
    ("side", "setting"),
    [
        ("github", "CI_HEALING_GITHUB_API_URL"),
        ("gitlab", "CI_HEALING_GITLAB_URL"),
        ("jenkins", "CI_HEALING_JENKINS_URL"),
        ("circleci", "CI_HEALING_CIRCLECI_URL"),
        ("buildkite", "CI_HEALING_BUILDKITE_URL"),
    ],
)
def test_each_side_has_its_setting(side: str, setting: str) -> None:
    among = allowed_at({setting: "https://own.example:8443"}, side=side)
    assert isinstance(urls.judge("https://own.example:8443/x", among=among), Target)
    assert len(urls.bases_of(hosts_of("jenkins", {}))) == 0


@table(
    ("side", "host"),
    [
        ("github", "objects.githubusercontent.com"),
        ("github", "results-receiver.actions.githubusercontent.com"),
        ("github", "x.blob.core.windows.net"),
        ("github", "github.com"),
        ("gitlab", "cdn.artifacts.gitlab-static.net"),
        ("gitlab", "storage.googleapis.com"),
        ("gitlab", "bucket.storage.googleapis.com"),
        ("gitlab", "x.blob.core.windows.net"),
        ("circleci", "output.circle-artifacts.com"),
        ("circleci", "dl.circleci.com"),
        ("circleci", "app.circleci.com"),
        ("buildkite", "buildkiteartifacts.com"),
        ("buildkite", "a.buildkiteartifacts.com"),
        ("buildkite", "buildkite.com"),
    ],
)
def test_the_known_places_of_a_side(side: str, host: str) -> None:
    assert isinstance(urls.judge(f"https://{host}/x", among=allowed_at({}, side=side)), Target)
    assert (
        rule(urls.judge(f"https://{host}/x", among=allowed_at({}, side="jenkins")))
        == "host.not_allowed"
    )


@table(
    "host",
    [
        "metadata.google.internal",
        "metadata.goog",
        "metadata",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.azure.internal",
        "metadata.azure.com",
        "metadata.tencentyun.com",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "metadata.oraclecloud.com",
    ],
)
def test_a_clouds_metadata_service_is_not_asked_even_where_a_setting_names_it(host: str) -> None:
    assert (
        rule(judged(f"https://{host}/x", CI_HEALING_FETCH_HOSTS=f"https://{host}"))
        == "host.metadata"
    )


OWN = allowed_at(
    {
        "CI_HEALING_JENKINS_URL": (
            "http://ci.lan:8080,http://10.1.2.3,http://169.254.9.9,http://198.18.0.7"
        )
    }
)


@table(
    ("address", "stranger", "configured"),
    [
        (PUBLIC, "", ""),
        ("2606:50c0:8000::154", "", ""),
        ("192.0.2.1", "", ""),
        ("2001:db8::1", "", ""),
        ("10.0.0.0", "address.private", ""),
        ("10.255.255.255", "address.private", ""),
        ("9.255.255.255", "", ""),
        ("11.0.0.0", "", ""),
        ("172.15.255.255", "", ""),
        ("172.16.0.0", "address.private", ""),
        ("172.31.255.255", "address.private", ""),
        ("172.32.0.0", "", ""),
        ("192.168.0.0", "address.private", ""),
        ("192.167.255.255", "", ""),
        ("fdff::1", "address.private", ""),
        ("fec0::1", "address.private", ""),
        ("127.0.0.1", "address.loopback", ""),
        ("128.0.0.1", "", ""),
        ("::1", "address.loopback", ""),
        ("100.63.255.255", "", ""),
        ("100.64.0.0", "address.shared", ""),
        ("100.127.255.255", "address.shared", ""),
        ("100.128.0.0", "", ""),
        ("100.100.100.200", "address.metadata", "address.metadata"),
        ("169.254.169.254", "address.metadata", "address.metadata"),
        ("fd00:ec2::254", "address.metadata", "address.metadata"),
        ("169.254.0.1", "address.link_local", "address.link_local"),
        ("fe80::1%eth0", "address.link_local", "address.link_local"),
        ("0.0.0.0", "address.unspecified", "address.unspecified"),
        ("0.255.255.255", "address.unspecified", "address.unspecified"),
        ("::", "address.unspecified", "address.unspecified"),
        ("224.0.0.0", "address.multicast", "address.multicast"),
        ("239.255.255.255", "address.multicast", "address.multicast"),
        ("ff0e::1", "address.multicast", "address.multicast"),
        ("240.0.0.1", "address.reserved", "address.reserved"),
        ("198.17.255.255", "", ""),
        ("198.19.255.255", "address.reserved", "address.reserved"),
        ("192.88.99.1", "address.reserved", "address.reserved"),
        ("4000::1", "address.reserved", "address.reserved"),
        ("::ffff:140.82.112.3", "address.embedded", ""),
        ("::ffff:10.0.0.1", "address.embedded", ""),
        ("::ffff:169.254.169.254", "address.embedded", "address.embedded"),
        ("64:ff9b::10.0.0.1", "address.embedded", ""),
        ("64:ff9b:1::8c52:7003", "address.embedded", ""),
        ("2002:a00:1::", "address.embedded", ""),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "address.embedded", ""),
        ("2606:50c0::5efe:a00:1", "address.embedded", ""),
        ("2606:50c0::200:5efe:a00:1", "address.embedded", ""),
        ("nonsense", "address.form", "address.form"),
        ("", "address.form", "address.form"),
    ],
)
def test_where_a_name_may_lead(address: str, stranger: str, configured: str) -> None:
    assert rule(urls.judge_address(address, host="logs.example", among=OWN)) == stranger
    assert rule(urls.judge_address(address, host="ci.lan", among=OWN)) == configured


@pytest.mark.parametrize(
    ("host", "expected"),
    [("10.1.2.3", ""), ("10.1.2.4", "address.private"), ("169.254.9.9", ""), ("198.18.0.7", "")],
)
def test_an_address_that_a_setting_names_is_met(host: str, expected: str) -> None:
    assert rule(urls.judge(f"http://{host}/x", among=OWN)) == expected
    assert rule(urls.judge_address(host, host=host, among=OWN)) == expected


def test_a_configured_name_at_a_link_local_address_is_no_configured_address() -> None:
    assert rule(urls.judge_address("169.254.9.9", host="ci.lan", among=OWN)) == "address.link_local"


@pytest.mark.parametrize("host", sorted(providers.public_hosts()))
def test_everybodys_services_are_never_at_home(host: str) -> None:
    among = allowed_at({"CI_HEALING_GITLAB_URL": "https://gitlab.com"})
    assert rule(urls.judge_address("10.0.0.1", host=host, among=among)) == "address.private"
    assert rule(urls.judge_address("64:ff9b::8c52:7003", host=host, among=among)) == ""
    assert rule(urls.judge_address("64:ff9b::a00:1", host=host, among=among)) == "address.embedded"


@pytest.mark.parametrize(
    ("address", "host", "text"),
    [
        (
            "10.0.0.1",
            "logs.example",
            (
                "logs.example leads to 10.0.0.1, a private address: name its base URL in the"
                " setting of its side"
            ),
        ),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1 is a loopback address: name its base URL"),
        ("169.254.1.1", "logs.example", "logs.example leads to 169.254.1.1, a link-local address"),
        (
            "::ffff:10.0.0.1",
            "logs.example",
            "logs.example leads to 10.0.0.1 through the address ::ffff:",
        ),
    ],
)
def test_a_refusal_says_where_it_leads_and_what_to_do(address: str, host: str, text: str) -> None:
    found = urls.judge_address(address, host=host, among=OWN)
    assert isinstance(found, Refusal)
    assert found.text.startswith(text)


def test_a_public_address_that_nobody_configured_is_no_host_to_fetch_from() -> None:
    assert rule(judged(f"https://{PUBLIC}/")) == "host.not_allowed"


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/b?c=1", "https://api.github.com/b?c=1"),
        ("b", "https://api.github.com/a/b"),
        ("?c=1", "https://api.github.com/a/x?c=1"),
        ("../b", "https://api.github.com/b"),
        ("//github.com/b", "https://github.com/b"),
        ("//evil.example/b", "host.not_allowed"),
        ("http://github.com/b", "url.http"),
        ("\thttps://github.com/b", "url.hidden"),
        ("", "https://api.github.com/a/x"),
    ],
)
def test_where_a_redirect_leads(location: str, expected: str) -> None:
    found = urls.follow(
        Target(scheme="https", host="api.github.com", port=443, path="/a/x"),
        location,
        among=allowed_at({}),
    )
    assert (rule(found) or f"{found.scheme}://{found.authority}{found.path}") == expected  # type: ignore[union-attr]


def test_a_redirect_from_https_to_a_configured_http_is_one_down_and_up_is_none() -> None:
    among = allowed_at({"CI_HEALING_JENKINS_URL": "http://ci.example"}, side="jenkins")
    down = urls.follow(
        Target(scheme="https", host="ci.example", port=443, path="/"),
        "http://ci.example/",
        among=among,
    )
    assert rule(down) == "redirect.downgrade"
    same = urls.follow(
        Target(scheme="http", host="ci.example", port=80, path="/"),
        "http://ci.example/x",
        among=among,
    )
    assert isinstance(same, Target)
    assert isinstance(urls.follow(same, "https://ci.example/x", among=among), Target)


def test_nothing_is_allowed_by_nothing() -> None:
    assert (
        rule(urls.judge("https://b.s3.amazonaws.com/", among=Allowed(bases=())))
        == "host.not_allowed"
    )
    assert (
        rule(urls.judge("https://api.github.com/", among=Allowed(bases=()))) == "host.not_allowed"
    )


def test_the_standard_settings_are_those_the_corpus_says() -> None:
    assert set(STANDARD) == {
        "CI_HEALING_GITLAB_URL",
        "CI_HEALING_JENKINS_URL",
        "CI_HEALING_FETCH_HOSTS",
    }


SAID = [
    ("api.github.com/x", "a whole URL is expected, beginning with https://"),
    ("gopher-of-a-long-name-x://h.example/", "gopher-of-a-long-nam is not fetched, only https is"),
    ("https:///x", "a host is expected after https://"),
    (
        "https://h.example/" + "a" * urls.MAX_URL,
        f"a URL of at most {urls.MAX_URL} characters is expected",
    ),
    ("https://h.example/a b", "the URL holds a blank, a control character or one nobody sees"),
    ("https://h.example\\x", "the URL holds a backslash, which some read as a slash"),
    ("https://a@h.example/", "the URL holds a user name before its host"),
    ("https://h%2eexample/", "the host of the URL is written in escapes"),
    ("https://h.example:0/", "the URL's port is no number from 1 to 65535"),
    ("https://h.example:65536/", "the URL's port is no number from 1 to 65535"),
    ("https://h\u00e9.example/", "the URL's host is not written in ASCII (its xn-- form)"),
    ("https://h.example./", "the URL's host ends with a dot"),
    ("https://0x7f.1/", "the URL's host is an address in an unusual notation"),
    ("https://-h.example/", "the URL's host is no name of the DNS"),
    ("https://[::zz]/", "the brackets of the URL's host hold no IPv6 address"),
    ("https://h.example/#a b\u00e9", None),
    ("https://h.example/#<x>", "the URL's fragment is no plain mark on its page"),
    ("https://h.example/%5Ca", "the URL holds an escaped control character or backslash"),
    ("https://h.example/%5ca", "the URL holds an escaped control character or backslash"),
    ("https://h.example/%1Fa", "the URL holds an escaped control character or backslash"),
    ("https://h.example/?%0A", "the URL holds an escaped control character or backslash"),
    ("https://h.example/?%0a", "the URL holds an escaped control character or backslash"),
    ("https://h.example/%252Ea", "the path of the URL is escaped twice"),
    ("https://h.example/%252ea", "the path of the URL is escaped twice"),
    ("https://h.example/%25251F", "the path of the URL is escaped twice"),
    ("https://h.example/a/../b", "the path of the URL climbs with dots"),
]


@table(("url", "said"), SAID, ids=[str(n) for n in range(len(SAID))])
def test_a_refused_url_is_told_why(url: str, said: str | None) -> None:
    found = urls.split(url)
    assert isinstance(found, Refusal)
    if said is not None:
        assert found.text == said


@pytest.mark.parametrize(
    ("url", "settings", "said"),
    [
        ("https://169.254.169.254/x", {}, "169.254.169.254 is a metadata address"),
        (
            "https://metadata.google.internal/x",
            {},
            "metadata.google.internal is a cloud's metadata service",
        ),
        (
            "http://api.github.com/x",
            {},
            "api.github.com is asked over https alone: a setting names no http URL of it",
        ),
        (
            "https://evil.example/x",
            {},
            (
                "evil.example is no host to fetch from: where it should be one, name it in"
                " CI_HEALING_FETCH_HOSTS"
            ),
        ),
        ("https://api.github.com:8443/x", {}, "api.github.com is not asked at port 8443"),
    ],
    ids=["address", "name", "http", "unknown", "port"],
)
def test_a_host_that_is_not_asked_is_told_why(
    url: str, settings: dict[str, str], said: str
) -> None:
    found = judged(url, **settings)
    assert isinstance(found, Refusal)
    assert found.text == said


def test_a_redirect_to_plain_http_is_told() -> None:
    settings = {"CI_HEALING_JENKINS_URL": "https://ci.corp.example,http://ci.corp.example"}
    current = urls.split("https://ci.corp.example/x")
    assert isinstance(current, Target)
    found = urls.follow(
        current, "HTTP://ci.corp.example/x", among=allowed_at(settings, side="jenkins")
    )
    assert isinstance(found, Refusal)
    assert (found.rule, found.text) == (
        "redirect.downgrade",
        "ci.corp.example redirects from https down to http",
    )


def test_an_address_that_is_none_is_told() -> None:
    found = urls.judge_address("not-an-address", host="h.example", among=allowed_at({}))
    assert isinstance(found, Refusal)
    assert (found.rule, found.text) == ("address.form", "h.example has an address that is none")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (
            "10.1.2.3",
            (
                "10.1.2.3, a private address: name its base URL in the setting of its side, if it"
                " is one"
            ),
        ),
        (
            "127.0.0.1",
            (
                "127.0.0.1, a loopback address: name its base URL in the setting of its side, if it"
                " is one"
            ),
        ),
        ("224.0.0.1", "224.0.0.1, a multicast address"),
        ("169.254.169.254", "169.254.169.254, a metadata address"),
    ],
)
def test_only_what_a_setting_could_allow_is_told_with_the_setting(address: str, said: str) -> None:
    found = urls.judge_address(address, host="h.example", among=allowed_at({}))
    assert isinstance(found, Refusal)
    assert found.text == f"h.example leads to {said}"


def test_each_base_knows_its_setting() -> None:
    (base,) = urls.bases_of(
        hosts_of("gitlab", {"CI_HEALING_GITLAB_URL": "https://gitlab.corp.example"})
    )
    assert isinstance(base, urls.Base)
    assert base.setting == "CI_HEALING_GITLAB_URL"
    (wrong,) = urls.bases_of(
        hosts_of("gitlab", {"CI_HEALING_GITLAB_URL": "https://gitlab.corp.example/?a"})
    )
    assert isinstance(wrong, Refusal)
    assert wrong.text == "CI_HEALING_GITLAB_URL: a base URL has no query"


def test_teredo_and_6to4_addresses_are_seen_through() -> None:
    for text in (
        "2002:7f00:1::",
        "2002:7f00:1:ffff::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "64:ff9b::7f00:1",
    ):
        found = addresses.parsed(text)
        assert found is not None
        assert str(addresses.embedded(found)) == "127.0.0.1"
    assert addresses.parsed("fe80::1%eth0") == addresses.parsed("fe80::1")
    plain = addresses.parsed("2600::1")
    assert plain is not None
    assert addresses.embedded(plain) is None
    assert addresses.kind(plain) == ""
