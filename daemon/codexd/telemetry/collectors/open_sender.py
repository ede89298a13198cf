"""The way to a collector, by the transport that its destination names. I/O."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from codexd.models.client import ModelError
from codexd.models.http.proxies import proxy_for
from codexd.telemetry.collectors.destination import Destination
from codexd.telemetry.collectors.grpc_sender import open_grpc
from codexd.telemetry.collectors.http_sender import HttpSender, read_certificates
from codexd.telemetry.collectors.sender import NotTaken, Sender


async def open_sender(env: Mapping[str, str], destination: Destination) -> Sender:
    """The way to a destination. Raises: NotTaken, where its certificates or its proxy cannot be used."""
    try:
        if destination.transport == "grpc":
            return await trio.to_thread.run_sync(open_grpc, destination)
        verify = await trio.to_thread.run_sync(read_certificates, destination)
        return HttpSender(destination, proxy_for(destination.endpoint, env), verify)
    except OSError as error:  # An ssl.SSLError is one.
        raise NotTaken(f"its certificates cannot be read: {error.strerror or error}") from error
    except ModelError as error:
        raise NotTaken(error.message) from error
