"""Data on a file system of its own: DATA_MOUNT, and with REQUIRE_ENCRYPTED_DATA=1 only where that is encrypted.

What counts as encrypted is what the kernel says: dm-crypt, as LUKS uses it, below the file system; or below the volume
group, the RAID or whatever else lies between, then on all of its disks.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from tools.production.stack import Production, ProductionError, run

VOLUMES = ("postgres_data", "media_volume", "backup_work")  # the last holds a dump while it is stored
# The words for yes and no that onestep.environment takes.
SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
ESCAPED = re.compile(r"\\([0-7]{3})")  # how mountinfo writes spaces and the like


def require_data_mount(production: Production) -> None:
    """Make the volumes' folders in DATA_MOUNT, where it is set. Raises ProductionError as `find_data_mount` does."""
    folder = find_data_mount(production)
    if folder:
        make_folders(folder)


def find_data_mount(production: Production) -> Path | None:
    """Return the folder DATA_MOUNT, where it is set.

    Raises ProductionError where it is missing, is no mount point or is not encrypted and has to be, and where a volume
    was made elsewhere, so that its data would stay there, or is there and its folder is not. Nothing is made.
    """
    mount, required = production.setting("DATA_MOUNT"), is_encryption_required(production)
    if not mount:
        if required:
            todo = "Name the mount point of an encrypted file system, or set REQUIRE_ENCRYPTED_DATA=0."
            raise ProductionError(("E105", "REQUIRE_ENCRYPTED_DATA is set, and DATA_MOUNT is not.", todo))
        return None
    folder = Path(mount)
    if not folder.is_absolute() or not folder.is_dir():
        raise ProductionError(("E105", f"DATA_MOUNT={mount} is no folder of this host.", "Create and mount it."))
    if required:
        require_encryption(folder.resolve(), Path("/"))
    volumes, existing = production.config()["volumes"], existing_volumes()
    for name in VOLUMES:
        if volumes[name]["name"] in existing:
            require_volume(volumes[name]["name"], folder / name)
    return folder


def is_encryption_required(production: Production) -> bool:
    """Return what REQUIRE_ENCRYPTED_DATA says. Raises ProductionError where that is no word for yes or no."""
    word = production.setting("REQUIRE_ENCRYPTED_DATA", "0")
    if word.lower() not in SWITCHES:
        what = f"REQUIRE_ENCRYPTED_DATA={word} is not one of {', '.join(SWITCHES)}."
        raise ProductionError(("E105", what, "Set it to 1 where the data has to be encrypted, else to 0."))
    return SWITCHES[word.lower()]


def make_folders(folder: Path) -> None:
    """Make the volumes' folders in a folder. Raises ProductionError where that cannot be."""
    for name in VOLUMES:
        try:
            (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"{folder / name} cannot be made: {error.strerror}."
            raise ProductionError(("E105", what, f"Give yourself the right to write to {folder}.")) from error


def require_encryption(folder: Path, root: Path) -> None:
    """Raise ProductionError where a folder is no mount point, or of a file system that is not encrypted.

    `root` is where /proc and /sys are looked for.
    """
    mounted = mounts(root).get(str(folder))
    if not mounted:
        todo = "Mount the encrypted file system there first: on the disk below it the data would be in the clear."
        raise ProductionError(("E106", f"{folder} is no mount point.", todo))
    number, source = mounted
    device = find_device(number, source, root)
    if not device or not is_encrypted(device):
        what = f"{folder} is on {source}, which is not encrypted by dm-crypt."
        raise ProductionError(
            ("E107", what, 'docs/operations.md, "Encrypted data", says how to make such a file system.')
        )


def mounts(root: Path) -> dict[str, tuple[str, str]]:
    """Return the device's number and name by mount point; of several over one another the last, which is seen."""
    found = {}
    for line in (root / "proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        point = ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        found[point] = (fields[2], after.split()[1])
    return found


def find_device(number: str, source: str, root: Path) -> Path | None:
    """Return a block device's folder in /sys: by its number, else, as btrfs has numbers of its own, by its name."""
    by_number = root / "sys/dev/block" / number
    if by_number.exists():
        return by_number
    name = Path(source).name
    for device in sorted((root / "sys/block").glob("*")):
        label = device / "dm/name"
        if device.name == name or (label.exists() and label.read_text().strip() == name):
            return device
    return None


def is_encrypted(device: Path) -> bool:
    """Return whether a block device is dm-crypt's, or all that it lies on is."""
    uuid = device / "dm/uuid"
    if uuid.exists() and uuid.read_text().startswith("CRYPT-"):
        return True
    below = list((device / "slaves").glob("*"))
    return bool(below) and all(is_encrypted(one) for one in below)


def require_volume(name: str, folder: Path) -> None:
    """Raise ProductionError where a volume that is there is elsewhere than in this folder, or without it."""
    found = run_docker("volume", "inspect", "--format={{json .Options}}", name)
    device = (json.loads(found) or {}).get("device")
    if not device or Path(device) != folder:
        todo = 'docs/operations.md, "Encrypted data", says how to move it.'
        raise ProductionError(("E108", f"The volume {name} was made before, and is not in {folder}.", todo))
    if not folder.is_dir():
        raise ProductionError(("E106", f"{folder} is not there, and was.", "Mount its file system."))


def existing_volumes() -> list[str]:
    """Return the names of all volumes. Raises ProductionError where Docker does not say: none would be missed then."""
    return run_docker("volume", "ls", "--quiet").split()


def run_docker(*arguments: str) -> str:
    """Return what a command of Docker prints. Raises ProductionError with its words where it fails."""
    finished = run(["docker", *arguments], capture=True)
    if finished.returncode != 0:
        what = f"`docker {arguments[0]} {arguments[1]}` failed: {finished.stderr.strip()}"
        raise ProductionError(("E090", what, "Start Docker, or give yourself the right to use it."))
    return finished.stdout
