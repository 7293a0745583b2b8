"""Downloads that go on where they broke off."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from carvoice.errors import ModelError
from carvoice.modelstore.card import sha256_of

#: Called with bytes done and bytes in all (0 if unknown).
Progress = Callable[[int, int], None]

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """SHA-256 of what came, and the one the server states, "" if none."""

    sha256: str
    server: str


def fetch(url: str, part: Path, progress: Progress | None) -> Fetched:
    """Download into ``part``, from where it ends.

    Raises:
        ModelError: it broke off, or cannot be had; what came is kept for the next try.
    """
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "carvoice"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    redirects = _Redirects()
    try:
        with urllib.request.build_opener(redirects).open(request, timeout=_TIMEOUT_S) as response:
            resumed = response.status == 206
            have = have if resumed else 0
            rest = int(response.headers.get("Content-Length") or 0)
            _copy(response, part, have, have + rest if rest else 0, progress)
            stated = response.headers.get("X-Linked-Etag") or redirects.stated
            if rest and part.stat().st_size < have + rest:
                raise ModelError(f"{url}: the connection broke off; run it again to go on from there")
    except ModelError:  # is an OSError too
        raise
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is left to fetch
            return Fetched(sha256_of(part), "")
        raise ModelError(f"{url}: the server says {error.code} {error.reason}") from error
    except (TimeoutError, ConnectionError) as error:
        raise ModelError(f"{url}: {error or 'timed out'}; run it again to go on from there") from error
    except urllib.error.URLError as error:
        raise ModelError(
            f"{url}: {error.reason}; without network, bring the file and use `carvoice models install FILE`"
        ) from error
    except http.client.HTTPException as error:
        raise ModelError(f"{url}: what answers is no web server: {error!r}") from error
    except OSError as error:
        raise ModelError(
            f"{url} to {part}: {error.strerror or error}; run it again to go on from there"
        ) from error
    stated = stated.strip('"')
    return Fetched(sha256_of(part), stated if len(stated) == 64 else "")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects and keeps the SHA-256 that Hugging Face states in the first answer."""

    def __init__(self) -> None:
        self.stated = ""

    def redirect_request(self, *arguments: Any) -> urllib.request.Request | None:
        self.stated = arguments[4].get("X-Linked-Etag") or self.stated
        return super().redirect_request(*arguments)


def _copy(response: IO[bytes], part: Path, have: int, total: int, progress: Progress | None) -> None:
    with part.open("ab" if have else "wb") as file:
        done = have
        while chunk := response.read(_CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
