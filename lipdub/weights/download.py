"""Fetches one large file over HTTP: goes on after a break, tries again, and tries other hosts."""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lipdub.errors import EnvironmentFailure, LipdubError, WeightsError, wrap_os_error
from lipdub.workspace.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

Progress = Callable[[int, int | None], None]

_BLOCK = 1 << 18
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # answers worth asking again for
_TELL_EVERY = 0.2  # seconds


class _Broken(Exception):
    """This attempt failed; the same address may do better."""


class _RangeRefused(_Broken):
    """It does not have the part asked for."""


class _Useless(Exception):
    """This address will not give the file."""


@dataclass(frozen=True)
class _Ask:
    """What does not change between attempts."""

    part: Path
    size: int | None
    checked: bool
    progress: Progress
    timeout: float


def locate_resume_note(part: Path) -> Path:
    """Where it is noted from which address a part was begun, and of which version of the file."""
    return part.with_name(part.name + ".json")


def fetch(
    urls: Sequence[str],
    part: Path,
    *,
    accept: Callable[[Path], object],
    size: int | None = None,
    checked: bool = False,
    progress: Progress = lambda done, total: None,
    attempts: int = 3,
    timeout: float = 30.0,
    pause: Callable[[float], None] = lambda seconds: time.sleep(seconds),
) -> str:
    """Fetches a file into ``part``, going on from what lies there, and returns the address it came from.

    urls
        Where it may be had, tried in turn; ``attempts`` times each where a fault may pass.
    accept
        Raises WeightsError when the complete file is not the right one; the next address is tried then.
    size
        Its bytes, where known: a file of another size is not even begun.
    checked
        Whether ``accept`` would notice a wrong byte. Otherwise what lies there is gone on from only if the
        host says that its file is still the same.
    progress
        Is told bytes done and, where known, in all.

    Raises:
        WeightsError: what came is not the right file.
        EnvironmentFailure: no address answered, or the disk is full; ``part`` stays for the next time.
    """
    ask = _Ask(part, size, checked, progress, timeout)
    failures: list[str] = []
    wrong: WeightsError | None = None
    for url in urls:
        failure, tries = "", 0
        while tries < attempts:
            if tries:
                pause(2.0 ** (tries - 1))
            before = _bytes(part)
            try:
                resumed = _receive(url, ask)
                accept(part)
                _forget(ask)
                return url
            except _Broken as fault:
                failure, tries = str(fault), 1 if _bytes(part) > before else tries + 1
            except _Useless as fault:
                failure, tries = str(fault), attempts
            except WeightsError as error:
                wrong, failure, tries = error, error.what, tries + 1 if resumed else attempts
                _drop(ask)
        failures.append(f"{urlsplit(url).hostname}: {failure}")
    raise _summed_up(part.name.removesuffix(".part"), failures, wrong)


def _summed_up(name: str, failures: list[str], wrong: WeightsError | None) -> LipdubError:
    if wrong is not None:
        return wrong
    return EnvironmentFailure(
        f"cannot fetch {name}: {'; '.join(dict.fromkeys(failures))}",
        hint="Check the network and its proxy, or get it by hand and give it to lipdub weights add.",
    )


def _receive(url: str, ask: _Ask) -> bool:
    """Brings ``part`` to its end from one address. Returns whether something of it lay there before."""
    have = _lying(url, ask)
    if ask.size is not None and have == ask.size:
        return True
    with _open(url, have, ask) as response:
        begin, total = _extent(response, have, ask)
        if begin < have:
            _drop(ask)
        _note(url, response, ask)
        _room(ask.part, 0 if total is None else total - begin)
        done = _append(response, begin, total, ask)
    if total is not None and done < total:
        raise _Broken(f"the connection broke after {done} of {total} bytes")
    if total is not None and done > total:
        _drop(ask)
        raise _Broken(f"sends more than {total} bytes")
    return begin > 0


def _bytes(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _lying(url: str, ask: _Ask) -> int:
    """How many bytes lie there that can be gone on from; others are removed."""
    have, noted = _bytes(ask.part), _noted(ask)
    same = noted.get("url") == url and bool(noted.get("validator"))
    if have and (not (ask.checked or same) or (ask.size is not None and have > ask.size)):
        _drop(ask)
        return 0
    return have


def _open(url: str, have: int, ask: _Ask) -> Any:
    from lipdub._version import __version__

    headers = {"User-Agent": f"lipdub/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        noted = _noted(ask)
        if noted.get("url") == url and noted.get("validator"):
            headers["If-Range"] = str(noted["validator"])
    opener = urllib.request.build_opener(_Redirects)
    try:
        with _faults_named():
            return opener.open(urllib.request.Request(url, headers=headers), timeout=ask.timeout)
    except _RangeRefused:  # what lies there is no beginning of this file
        _drop(ask)
        raise


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from an encrypted address to one that is not, nor out of HTTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after != "https" and not (before == after == "http"):
            raise _Useless(f"redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _faults_named() -> Iterator[None]:
    """Turns what can go wrong on the way into :class:`_Broken` and :class:`_Useless`."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _RangeRefused("does not have the part asked for") from error
        if error.code in _PASSING:
            raise _Broken(f"answers HTTP {error.code}") from error
        raise _Useless(f"answers HTTP {error.code}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise _Useless(f"its certificate is not valid ({error.reason.verify_message})") from error
        raise _Broken(_reason(error.reason)) from error
    except (http.client.HTTPException, OSError) as error:
        raise _Broken(_reason(error)) from error


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "does not answer in time"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text)


def _extent(response: Any, have: int, ask: _Ask) -> tuple[int, int | None]:
    """At which byte the answer begins, and how many the whole file has (None where the host does not say)."""
    if response.headers.get_content_type() == "text/html":
        raise _Useless("answers with a web page instead of the file")
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    begin = 0
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        spelled = response.headers.get("Content-Range", "")
        first, _, whole = spelled.removeprefix("bytes ").partition("/")
        if first.partition("-")[0] != str(have):
            _drop(ask)
            raise _Broken(f"answers with another part of the file ({spelled})")
        begin, total = have, int(whole) if whole.isdigit() else None
    if ask.size is not None and total is not None and total != ask.size:
        raise _Useless(f"has a file of {total} bytes, not {ask.size}")
    return begin, total if total is not None else ask.size


def _append(response: Any, begin: int, total: int | None, ask: _Ask) -> int:
    """Writes what comes to the end of ``part``; returns how many bytes lie there then."""
    done, told = begin, 0.0
    try:
        with ask.part.open("ab") as file:
            for block in _blocks(response):
                file.write(block)
                done += len(block)
                if total is not None and done > total:
                    break
                if time.monotonic() - told > _TELL_EVERY:
                    told = time.monotonic()
                    ask.progress(done, total)
    except OSError as error:
        raise wrap_os_error(error, ask.part) from error
    ask.progress(done, total)
    return done


def _blocks(response: Any) -> Iterator[bytes]:
    while True:
        with _faults_named():
            block = response.read1(_BLOCK)
        if not block:
            return
        yield block


def _room(part: Path, wanted: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < wanted:
        raise EnvironmentFailure(
            f"no space left on the disk, cannot write {part}: "
            f"{wanted / 1e6:.0f} MB are to come, {free / 1e6:.0f} are free",
            hint="Free some space, or name another folder in LIPDUB_WEIGHTS.",
        )


def _note(url: str, response: Any, ask: _Ask) -> None:
    tag = response.headers.get("ETag", "")
    validator = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    write_atomically(locate_resume_note(ask.part), json.dumps({"url": url, "validator": validator}).encode())


def _noted(ask: _Ask) -> dict[str, Any]:
    try:
        content = json.loads(locate_resume_note(ask.part).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _forget(ask: _Ask) -> None:
    locate_resume_note(ask.part).unlink(missing_ok=True)


def _drop(ask: _Ask) -> None:
    ask.part.unlink(missing_ok=True)
    _forget(ask)
