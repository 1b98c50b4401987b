"""Fetches one large file over HTTP: resumes after an interruption, tries again, and tries other hosts."""

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

_BLOCK_BYTES = 1 << 18
_TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # HTTP answers after which another attempt may succeed
_REPORT_SECONDS = 0.2  # between two reports of the progress


class _TransientError(Exception):
    """This attempt failed; another one at the same address may succeed."""


class _RangeRefusedError(_TransientError):
    """The host does not have the requested part of the file."""


class _UselessAddressError(Exception):
    """This address will not give the file."""


@dataclass(frozen=True)
class _Request:
    """The arguments that all attempts share."""

    part: Path
    size: int | None
    checked: bool
    progress: Progress
    timeout: float


def locate_resume_note(part: Path) -> Path:
    """Return where to note the address a part came from, and the version of the file."""
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
    pause: Callable[[float], None] = lambda seconds: time.sleep(seconds),  # noqa: PLW0108  looked up when it is called
) -> str:
    """Fetch a file into ``part``, resume from earlier bytes, and return the address that gave it.

    Args:
        urls: Where the file can be fetched, tried in turn.
        part: The path of the file.
        accept: Called with the complete file; raises WeightsError if it is not the right one. The next address is
            tried then.
        size: The file's bytes, if known. A file of another size is not even begun.
        checked: Whether ``accept`` would notice a wrong byte. If not, an interrupted file is resumed only if the host
            confirms that its file is still the same.
        progress: Called with the bytes so far and, if known, in all.
        attempts: Attempts at each address, where a fault may pass.
        timeout: Seconds until a silent host counts as gone.
        pause: Called with the seconds to wait between two attempts.

    Raises:
        WeightsError: The received file is not the right one.
        EnvironmentFailure: No address answered, or the disk is full. ``part`` stays for the next time.
    """
    request = _Request(part, size, checked, progress, timeout)
    failures: list[str] = []
    wrong: WeightsError | None = None
    for url in urls:
        failure, tries = "", 0
        while tries < attempts:
            if tries:
                pause(2.0 ** (tries - 1))
            before = _count_bytes(part)
            try:
                resumed = _complete_from(url, request)
                accept(part)
                _remove_note(request)
                return url
            except _TransientError as fault:
                failure, tries = str(fault), 1 if _count_bytes(part) > before else tries + 1
            except _UselessAddressError as fault:
                failure, tries = str(fault), attempts
            except WeightsError as error:
                wrong, failure, tries = error, error.what, tries + 1 if resumed else attempts
                _discard(request)
        failures.append(f"{urlsplit(url).hostname}: {failure}")
    raise _summarize(part.name.removesuffix(".part"), failures, wrong)


def _summarize(name: str, failures: list[str], wrong: WeightsError | None) -> LipdubError:
    if wrong is not None:
        return wrong
    return EnvironmentFailure(
        f"cannot fetch {name}: {'; '.join(dict.fromkeys(failures))}",
        hint="Check the network and its proxy, or get the file by hand and give it to lipdub weights add.",
    )


def _complete_from(url: str, request: _Request) -> bool:
    """Complete ``part`` from one address, and return whether it held earlier bytes."""
    have = _count_resumable(url, request)
    if request.size is not None and have == request.size:
        return True
    with _open(url, have, request) as response:
        begin, total = _read_extent(response, have, request)
        if begin < have:
            _discard(request)
        _write_note(url, response, request)
        _check_space(request.part, 0 if total is None else total - begin)
        received = _append_response(response, begin, total, request)
    if total is not None and received < total:
        raise _TransientError(f"the connection broke after {received} of {total} bytes")
    if total is not None and received > total:
        _discard(request)
        raise _TransientError(f"sends more than {total} bytes")
    return begin > 0


def _count_bytes(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _count_resumable(url: str, request: _Request) -> int:
    """Return the number of bytes to resume from. Useless bytes are removed."""
    have, note = _count_bytes(request.part), _read_note(request)
    same = note.get("url") == url and bool(note.get("validator"))
    if have and (not (request.checked or same) or (request.size is not None and have > request.size)):
        _discard(request)
        return 0
    return have


def _open(url: str, have: int, request: _Request) -> Any:
    from lipdub._version import __version__

    headers = {"User-Agent": f"lipdub/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        note = _read_note(request)
        if note.get("url") == url and note.get("validator"):
            headers["If-Range"] = str(note["validator"])
    opener = urllib.request.build_opener(_RedirectHandler)
    try:
        with _translate_faults():
            return opener.open(urllib.request.Request(url, headers=headers), timeout=request.timeout)
    except _RangeRefusedError:  # the earlier bytes are not the beginning of this file
        _discard(request)
        raise


class _RedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but not from an encrypted address to one that is not, nor out of HTTP."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after != "https" and not (before == after == "http"):
            raise _UselessAddressError(f"redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _translate_faults() -> Iterator[None]:
    """Turn errors of the transfer into `_TransientError` and `_UselessAddressError`."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _RangeRefusedError("does not have the part asked for") from error
        if error.code in _TRANSIENT:
            raise _TransientError(f"answers HTTP {error.code}") from error
        raise _UselessAddressError(f"answers HTTP {error.code}") from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise _UselessAddressError(f"its certificate is not valid ({error.reason.verify_message})") from error
        raise _TransientError(_describe(error.reason)) from error
    except (http.client.HTTPException, OSError) as error:
        raise _TransientError(_describe(error)) from error


def _describe(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "does not answer in time"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text)


def _read_extent(response: Any, have: int, request: _Request) -> tuple[int, int | None]:
    """Return the byte at which the answer begins, and the whole file's bytes (None if the host does not say)."""
    if response.headers.get_content_type() == "text/html":
        raise _UselessAddressError("answers with a web page instead of the file")
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else None
    begin = 0
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        content_range = response.headers.get("Content-Range", "")
        first, _, whole = content_range.removeprefix("bytes ").partition("/")
        if first.partition("-")[0] != str(have):
            _discard(request)
            raise _TransientError(f"answers with another part of the file ({content_range})")
        begin, total = have, int(whole) if whole.isdigit() else None
    if request.size is not None and total is not None and total != request.size:
        raise _UselessAddressError(f"has a file of {total} bytes, not {request.size}")
    return begin, total if total is not None else request.size


def _append_response(response: Any, begin: int, total: int | None, request: _Request) -> int:
    """Append the answer to ``part``, and return its number of bytes."""
    received, report_time = begin, 0.0
    try:
        with request.part.open("ab") as file:
            for block in _iter_blocks(response):
                file.write(block)
                received += len(block)
                if total is not None and received > total:
                    break
                if time.monotonic() - report_time > _REPORT_SECONDS:
                    report_time = time.monotonic()
                    request.progress(received, total)
    except OSError as error:
        raise wrap_os_error(error, request.part) from error
    request.progress(received, total)
    return received


def _iter_blocks(response: Any) -> Iterator[bytes]:
    while True:
        with _translate_faults():
            block = response.read1(_BLOCK_BYTES)
        if not block:
            return
        yield block


def _check_space(part: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed_bytes:
        raise EnvironmentFailure(
            f"no space left on the disk, cannot write {part}: "
            f"{needed_bytes / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free",
            hint="Free some space, or name another folder in LIPDUB_WEIGHTS.",
        )


def _write_note(url: str, response: Any, request: _Request) -> None:
    tag = response.headers.get("ETag", "")
    validator = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    write_atomically(locate_resume_note(request.part), json.dumps({"url": url, "validator": validator}).encode())


def _read_note(request: _Request) -> dict[str, Any]:
    try:
        content = json.loads(locate_resume_note(request.part).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _remove_note(request: _Request) -> None:
    locate_resume_note(request.part).unlink(missing_ok=True)


def _discard(request: _Request) -> None:
    request.part.unlink(missing_ok=True)
    _remove_note(request)
