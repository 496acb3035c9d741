"""BACKUP_REPOSITORY on another machine, by SFTP: an SSH server in a container stands in for it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.models.containers import Container

from tests.container.production.backups import contents, database_stack, status
from tests.container.production.stack import ProductionStack

SERVER = """
FROM debian:bookworm-slim
RUN apt-get update && apt-get install --yes --no-install-recommends openssh-server && mkdir -p /run/sshd
RUN ssh-keygen -q -t ed25519 -N '' -f /client && cp /client.pub /etc/ssh/authorized_keys
CMD ["/usr/sbin/sshd", "-D", "-e", "-o", "AuthorizedKeysFile=/etc/ssh/authorized_keys"]
"""


@contextmanager
def ssh_server(stack: ProductionStack, folder: Path) -> Iterator[Container]:
    """Run an SSH server as `elsewhere` on the network `outside`, with the client's key and its own in files."""
    engine = docker.from_env()
    (folder / "Dockerfile").write_text(SERVER)
    tag = f"{stack.project}-elsewhere"
    server = None
    try:
        engine.images.build(path=str(folder), tag=tag)
        network = f"{stack.project}_outside"
        server = engine.containers.create(
            tag,
            name=tag,
            network=network,
            networking_config={network: engine.api.create_endpoint_config(aliases=["elsewhere"])},
        )
        server.start()
        # With the mode that ssh-keygen gives it.
        archive, _ = server.get_archive("/client")
        with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as files:
            files.extract("client", folder, filter="data")
        public = server.exec_run("cat /etc/ssh/ssh_host_ed25519_key.pub").output.decode()
        (folder / "known_hosts").write_text(f"elsewhere {public}")
        yield server
    finally:
        if server:
            server.remove(force=True)
        engine.images.remove(tag, force=True)


def test_backup_and_restore_by_sftp(tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with database_stack(tmp_path) as stack:
        stack.compose("up", "--no-start", "--no-deps", "backup")  # makes the network
        with ssh_server(stack, tmp_path / "server") as server:
            with (stack.folder / "settings.env").open("a") as settings:
                settings.write("BACKUP_REPOSITORY=sftp:root@elsewhere:/srv/backups\n")
                settings.write(f"BACKUP_SSH_KEY={tmp_path}/server/client\n")
                settings.write(f"BACKUP_SSH_KNOWN_HOSTS={tmp_path}/server/known_hosts\n")
            refused = stack.run("make", "backup")
            assert refused.returncode != 0
            assert f"onestep.E088 BACKUP_SSH_KEY: {tmp_path}/server/client is not readable" in refused.stderr
            assert "chmod 0444" in refused.stderr
            # The container itself says it too, as where the file was changed later.
            job = [
                "docker",
                "compose",
                "--file=compose.prod.yml",
                *environment_files(stack),
                "run",
                "--rm",
                "--no-deps",
            ]
            said = stack.run(*job, "-T", "backup", "list", "--words")
            assert said.returncode == 1
            assert "onestep.E088 The file of BACKUP_SSH_KEY cannot be read: Permission denied." in said.stderr
            (tmp_path / "server/client").chmod(0o444)
            stack.make("backup")
            assert server.exec_run("test -s /srv/backups/config").exit_code == 0
            assert status(stack)["last_good"]["snapshot"] in stack.make("backups")
            before = contents(stack)
            stack.sql("DELETE FROM initiatives_teammember")
            prepare = ["run", "--rm", "--no-deps", "-T", "backup", "prepare", "--confirm=onestep", "--words"]
            stack.compose(*prepare)
            assert contents(stack, "onestep_restored") == before

            # Another machine under that name is not talked to.
            (tmp_path / "server/known_hosts").write_text("elsewhere " + other_key(server))
            done = stack.run("make", "backup")
            assert done.returncode != 0
            assert "onestep.E066 " in done.stderr


def environment_files(stack: ProductionStack) -> list[str]:
    return [f"--env-file={stack.folder / name}" for name in ("settings.env", "state.env")]


def other_key(server: Container) -> str:
    server.exec_run("ssh-keygen -q -t ed25519 -N '' -f /other")
    return str(server.exec_run("cat /other.pub").output.decode())
