"""Where collected static files go: hashed names and compressed copies, as WhiteNoise serves them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # without types
    """WhiteNoise's storage that does not compress a file twice.

    The name of a collected file holds a hash of its content, so a compressed copy beside it is never out of date. The
    image's builder collects the packages' files, which take nearly all of the time, before the code is there.
    """

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Compress those of `paths` that have no compressed copy; yield each path with its copy's."""
        yield from super().compress_files([path for path in paths if not self.exists(f"{path}.br")])

    def stored_name(self, name: str) -> str:
        """Return the hashed name, or the plain one of a file that was not collected.

        A page without its look is better than none; `/health/ready` says that files are missing.
        """
        try:
            return str(super().stored_name(name))
        except ValueError:
            return name
