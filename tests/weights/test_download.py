"""Downloads survive what networks and hosts do, and end in one clear error where they cannot."""

from __future__ import annotations

import errno
import hashlib
import io
import random
import shutil
import socket
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from lipdub.errors import EnvironmentFailure, WeightsError
from lipdub.weights import download
from lipdub.weights.download import fetch
from tests.weights.host import Host, hosting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTENT = random.Random(1).randbytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with hosting() as running:
        yield running


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "net.pth.part"


def right(path: Path) -> None:
    if hashlib.sha256(path.read_bytes()).hexdigest() != DIGEST:
        raise WeightsError("not the one")


def get(urls: list[str], part: Path, **how: Any) -> str:
    how = {"accept": right, "checked": True, "pause": lambda seconds: None, **how}
    return fetch(urls, part, **how)


def test_whole_file_and_its_progress(host: Host, part: Path) -> None:
    told: list[tuple[int, int | None]] = []
    url = host.put("/net", CONTENT)
    assert get([url], part, progress=lambda done, total: told.append((done, total))) == url
    assert part.read_bytes() == CONTENT and told[-1] == (len(CONTENT), len(CONTENT))
    assert list(part.parent.iterdir()) == [part]


def test_goes_on_after_each_break(host: Host, part: Path) -> None:
    # more breaks than attempts: each got further, so none counts against the host
    url = host.put("/net", CONTENT, cuts=[500_000] * 5)
    get([url], part)
    assert part.read_bytes() == CONTENT
    assert [begin for _, begin in host.asked] == [
        "",
        *(f"bytes={n}-" for n in range(500_000, 3_000_000, 500_000)),
    ]


def test_goes_on_in_another_run_and_at_another_host(host: Host, part: Path) -> None:
    first = host.put("/first", CONTENT, cuts=[1_000_000, 0, 0, 0])
    with pytest.raises(EnvironmentFailure, match="broke after 1000000 of 3000000 bytes"):
        get([first], part)
    assert part.stat().st_size == 1_000_000
    get([host.put("/second", CONTENT)], part)
    assert part.read_bytes() == CONTENT and host.asked[-1] == ("/second", "bytes=1000000-")


def test_without_a_digest_only_the_same_file_is_gone_on_from(host: Host, part: Path) -> None:
    url = host.put("/net", CONTENT[::-1], cuts=[1_000_000, 0, 0, 0], etag='"old"')
    with pytest.raises(EnvironmentFailure):
        get([url], part, checked=False)
    url = host.put("/net", CONTENT, cuts=[500_000], etag='"new"')  # it was changed meanwhile
    get([url], part, checked=False)
    assert part.read_bytes() == CONTENT
    assert [begin for _, begin in host.asked][-2:] == ["bytes=1000000-", "bytes=500000-"]

    part.write_bytes(CONTENT[:100])  # from who knows where
    get([host.put("/other", CONTENT)], part, checked=False)
    assert host.asked[-1] == ("/other", "")


def test_host_that_ignores_ranges(host: Host, part: Path) -> None:
    url = host.put("/net", CONTENT, cuts=[1_000_000], ranges=False)
    get([url], part)
    assert part.read_bytes() == CONTENT


def test_host_without_a_length(host: Host, part: Path) -> None:
    get([host.put("/net", CONTENT, length=False)], part)
    assert part.read_bytes() == CONTENT
    part.unlink()
    cut = host.put("/cut", CONTENT, length=False, cuts=[1000])
    get([cut], part, size=len(CONTENT))
    assert part.read_bytes() == CONTENT


def test_more_lies_there_than_the_host_has(host: Host, part: Path) -> None:
    part.write_bytes(CONTENT + b"more")
    get([host.put("/net", CONTENT)], part)
    assert part.read_bytes() == CONTENT and [begin for _, begin in host.asked] == ["bytes=3000004-", ""]
    part.write_bytes(CONTENT + b"more")
    get([host.put("/net", CONTENT)], part, size=len(CONTENT))
    assert host.asked[-1] == ("/net", "")


def test_complete_before_the_network_is_asked(host: Host, part: Path) -> None:
    part.write_bytes(CONTENT)
    get([host.put("/net", CONTENT)], part, size=len(CONTENT))
    assert host.asked == []


def test_absent_at_one_host_then_found_at_the_next(host: Host, part: Path) -> None:
    second = host.put("/net", CONTENT)
    assert get([f"{host.address}/gone", second], part) == second
    assert host.asked == [("/gone", ""), ("/net", "")]


def test_a_busy_host_is_asked_again(host: Host, part: Path) -> None:
    waits: list[float] = []
    get([host.put("/net", CONTENT, codes=[503, 429])], part, pause=waits.append)
    assert part.read_bytes() == CONTENT and waits == [1.0, 2.0]


def test_redirects(host: Host, part: Path) -> None:
    target = host.put("/net", CONTENT, cuts=[1_000_000])
    get([host.put("/link", b"", moved=target)], part)
    assert part.read_bytes() == CONTENT
    assert ("/net", "bytes=1000000-") in host.asked  # what is asked for survives the redirect


@pytest.mark.parametrize("target", ["http://host/net", "ftp://host/net", "file:///etc/passwd"])
def test_redirects_stay_encrypted(target: str) -> None:
    request = urllib.request.Request("https://host/link")
    with pytest.raises(download._UselessAddressError, match="not encrypted"):
        download._RedirectHandler().redirect_request(request, io.BytesIO(), 302, "Found", {}, target)


def test_wrong_file_then_the_right_one(host: Host, part: Path) -> None:
    urls = [host.put("/wrong", CONTENT[::-1]), host.put("/net", CONTENT)]
    assert get(urls, part) == urls[1]
    assert part.read_bytes() == CONTENT and len(host.asked) == 2


def test_only_wrong_files(host: Host, part: Path) -> None:
    with pytest.raises(WeightsError, match="not the one"):
        get([host.put("/wrong", CONTENT[::-1])], part)
    assert list(part.parent.iterdir()) == []


def test_a_wrong_beginning_is_fetched_anew(host: Host, part: Path) -> None:
    part.write_bytes(b"nothing of it" * 1000)
    get([host.put("/net", CONTENT)], part)
    assert part.read_bytes() == CONTENT


def test_another_size_is_not_begun(host: Host, part: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="a file of 3000000 bytes, not 7"):
        get([host.put("/net", CONTENT)], part, size=7)
    assert not part.exists()


def test_web_page_instead_of_the_file(host: Host, part: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="web page"):
        get([host.put("/net", b"<html>sign in</html>", kind="text/html; charset=utf-8")], part)
    assert not part.exists()


def test_all_that_failed_is_told_in_one_line(host: Host, part: Path) -> None:
    nobody = "http://127.0.0.1:9/net"
    with pytest.raises(EnvironmentFailure) as raised:
        get([f"{host.address}/gone", nobody], part)
    text = str(raised.value)
    assert "cannot fetch net.pth: 127.0.0.1: answers HTTP 404; 127.0.0.1: Connection refused" in text
    assert "\n" not in text and "proxy" in text


def test_a_host_that_says_nothing(part: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/net"
        with pytest.raises(EnvironmentFailure, match="does not answer in time"):
            get([url], part, timeout=0.1, attempts=2)


def test_disk_full_while_writing(host: Host, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = Path.open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, block: bytes) -> int:
            if self.file.tell() > 500_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(self.file.write(block))

    monkeypatch.setattr(Path, "open", lambda path, mode="r", *a, **k: Full(real(path, mode, *a, **k)))
    with pytest.raises(EnvironmentFailure, match="no space left") as raised:
        get([host.put("/net", CONTENT)], part)
    assert str(part) in str(raised.value) and len(host.asked) == 1
    monkeypatch.undo()
    assert 0 < part.stat().st_size < len(CONTENT)
    get([host.put("/net", CONTENT)], part)
    assert part.read_bytes() == CONTENT


def test_disk_too_small_is_known_before(host: Host, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(part.parent)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    with pytest.raises(EnvironmentFailure, match="no space left") as raised:
        get([host.put("/net", CONTENT)], part)
    assert "LIPDUB_WEIGHTS" in str(raised.value) and not part.exists()


def test_proxies_of_the_environment_are_used(host: Host, part: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", host.address)
    monkeypatch.setenv("no_proxy", "")
    host.put("http://weights.example/net", CONTENT)
    get(["http://weights.example/net"], part)
    assert part.read_bytes() == CONTENT
