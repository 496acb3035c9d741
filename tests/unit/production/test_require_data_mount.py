"""DATA_MOUNT and REQUIRE_ENCRYPTED_DATA, on trees of files like those of the kernel, and on this machine's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.production.data_mount import require_data_mount, require_encryption
from tools.production.stack import Production, ProductionError


class Kernel:
    """A root folder with what the kernel would say of mounts and block devices."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("proc/self", "sys/block", "sys/dev/block"):
            (root / folder).mkdir(parents=True)
        self.lines = ["1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw"]
        self.device("sda1", "8:1")
        self.write()

    def write(self) -> None:
        """Write the table of mounts."""
        (self.root / "proc/self/mountinfo").write_text("\n".join(self.lines) + "\n")

    def mount(self, point: str, number: str, source: str, kind: str = "ext4") -> None:
        """Mount a device."""
        self.lines.append(f"{len(self.lines) + 1} 1 {number} / {point} rw,relatime shared:2 - {kind} {source} rw")
        self.write()

    def device(self, name: str, number: str, *, uuid: str = "", label: str = "", on: tuple[str, ...] = ()) -> None:
        """Add a block device, with device mapper's uuid and name, that lies on others."""
        folder = self.root / "sys/block" / name
        (folder / "slaves").mkdir(parents=True)
        if uuid:
            (folder / "dm").mkdir()
            (folder / "dm/uuid").write_text(uuid + "\n")
            (folder / "dm/name").write_text(label + "\n")
        for below in on:
            (folder / "slaves" / below).symlink_to(self.root / "sys/block" / below)
        (self.root / "sys/dev/block" / number).symlink_to(folder)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def refused(kernel: Kernel, folder: str = "/srv/data") -> str:
    """Return the error that a folder gets."""
    with pytest.raises(ProductionError) as raised:
        require_encryption(Path(folder), kernel.root)
    return str(raised.value)


def test_luks_is_accepted(kernel: Kernel) -> None:
    kernel.device("dm-0", "254:0", uuid="CRYPT-LUKS2-0123-data", label="data", on=("sda1",))
    kernel.mount("/srv/data", "254:0", "/dev/mapper/data")
    require_encryption(Path("/srv/data"), kernel.root)


def test_volume_group_on_luks_is_accepted(kernel: Kernel) -> None:
    kernel.device("dm-0", "254:0", uuid="CRYPT-LUKS2-0123-disk", label="disk", on=("sda1",))
    kernel.device("dm-1", "254:1", uuid="LVM-abc", label="group-data", on=("dm-0",))
    kernel.mount("/srv/data", "254:1", "/dev/mapper/group-data")
    require_encryption(Path("/srv/data"), kernel.root)


def test_volume_group_with_one_plain_disk_is_refused(kernel: Kernel) -> None:
    kernel.device("dm-0", "254:0", uuid="CRYPT-LUKS2-0123-disk", label="disk", on=("sda1",))
    kernel.device("sdb1", "8:17")
    kernel.device("dm-1", "254:1", uuid="LVM-abc", label="group-data", on=("dm-0", "sdb1"))
    kernel.mount("/srv/data", "254:1", "/dev/mapper/group-data")
    assert refused(kernel).startswith("onestep.E107 /srv/data is on /dev/mapper/group-data, which is not encrypted")


def test_file_system_with_numbers_of_its_own_is_found_by_name(kernel: Kernel) -> None:
    kernel.device("dm-0", "254:0", uuid="CRYPT-LUKS2-0123-data", label="data", on=("sda1",))
    kernel.mount("/srv/data", "0:45", "/dev/mapper/data", "btrfs")
    require_encryption(Path("/srv/data"), kernel.root)


def test_space_in_the_path_is_understood(kernel: Kernel) -> None:
    kernel.device("dm-0", "254:0", uuid="CRYPT-LUKS2-0123-data", label="data")
    kernel.mount("/srv/my\\040data", "254:0", "/dev/mapper/data")
    require_encryption(Path("/srv/my data"), kernel.root)


@pytest.mark.parametrize(
    ("number", "source", "kind"),
    [("8:1", "/dev/sda1", "ext4"), ("0:50", "tmpfs", "tmpfs"), ("254:9", "/dev/dm-9", "ext4")],
)
def test_plain_file_system_is_refused(kernel: Kernel, number: str, source: str, kind: str) -> None:
    kernel.mount("/srv/data", number, source, kind)
    assert refused(kernel).startswith(f"onestep.E107 /srv/data is on {source}, which is not encrypted by dm-crypt.")


def test_plain_mount_over_an_encrypted_one_is_refused(kernel: Kernel) -> None:
    kernel.device("dm-0", "254:0", uuid="CRYPT-LUKS2-0123-data", label="data")
    kernel.mount("/srv/data", "254:0", "/dev/mapper/data")
    kernel.mount("/srv/data", "0:50", "tmpfs", "tmpfs")
    assert refused(kernel).startswith("onestep.E107")


def test_folder_of_an_encrypted_file_system_that_is_not_mounted_is_refused(kernel: Kernel) -> None:
    """The folder is there, and on the disk below: what is written to it would be in the clear."""
    kernel.device("dm-0", "254:0", uuid="CRYPT-LUKS2-0123-data", label="data")
    assert refused(kernel).startswith("onestep.E106 /srv/data is no mount point.")


def test_mount_of_this_machine_that_is_not_encrypted_is_refused() -> None:
    """A tmpfs, as every Linux has one."""
    with pytest.raises(ProductionError, match=r"onestep\.E107 /dev/shm is on "):
        require_encryption(Path("/dev/shm"), Path("/"))


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ("REQUIRE_ENCRYPTED_DATA=1\n", "onestep.E105 REQUIRE_ENCRYPTED_DATA is set, and DATA_MOUNT is not."),
        ("DATA_MOUNT=/not/there\n", "onestep.E105 DATA_MOUNT=/not/there is no folder of this host."),
        ("DATA_MOUNT=data\n", "onestep.E105 DATA_MOUNT=data is no folder of this host."),
        ("DATA_MOUNT=/dev/shm\nREQUIRE_ENCRYPTED_DATA=1\n", "onestep.E107 /dev/shm is on "),
        ("DATA_MOUNT=/dev/shm\nREQUIRE_ENCRYPTED_DATA=maybe\n", "onestep.E105 REQUIRE_ENCRYPTED_DATA=maybe is not "),
        ("REQUIRE_ENCRYPTED_DATA=2\n", "onestep.E105 REQUIRE_ENCRYPTED_DATA=2 is not one of 1, true, yes, on, 0, "),
        ("REQUIRE_ENCRYPTED_DATA= # 1\n", "onestep.E105 REQUIRE_ENCRYPTED_DATA=# 1 is not "),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, settings: str, error: str) -> None:
    (tmp_path / "settings.env").write_text(settings)
    with pytest.raises(ProductionError) as raised:
        require_data_mount(Production(tmp_path))
    assert str(raised.value).startswith(error)


@pytest.mark.parametrize("word", ["1", "true", "YES", "on", "1 # as the policy says", '"true" # so', "'1'"])
def test_each_word_for_on_requires_encryption(tmp_path: Path, word: str) -> None:
    (tmp_path / "settings.env").write_text(f"DATA_MOUNT=/dev/shm\nREQUIRE_ENCRYPTED_DATA={word}\n")
    with pytest.raises(ProductionError, match=r"onestep\.E107 /dev/shm is on "):
        require_data_mount(Production(tmp_path))


@pytest.mark.parametrize("word", ["", "0", "false", "No", "off", "0 # not yet", "''"])
def test_nothing_is_asked_for_without_the_settings(tmp_path: Path, word: str) -> None:
    (tmp_path / "settings.env").write_text(f"DATA_MOUNT=\nREQUIRE_ENCRYPTED_DATA={word}\n")
    require_data_mount(Production(tmp_path))
    assert [file.name for file in tmp_path.iterdir()] == ["settings.env"]
