# SPDX-License-Identifier: Apache-2.0
"""A wire between two nodes that can be cut: forwards TCP, and breaks connections when it is told."""
import socket
import threading


class Wire:
    """`cut_answers(n)`: of the next n answers no byte arrives, the connection breaks instead."""

    def __init__(self, port):
        self.target, self.cuts, self.lock = port, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.sockets = []
        self.armed = False
        threading.Thread(target=self.accept, daemon=True).start()

    url = property(lambda self: f"https://127.0.0.1:{self.listener.getsockname()[1]}")

    def redirect(self, port):
        """From now on it leads to another port; what is connected breaks."""
        self.target = port
        for s in self.sockets:
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut_answers(self, n):
        with self.lock:
            self.cuts += n

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            state = {"asked": False}
            self.sockets += [client, server]
            threading.Thread(target=self.ask, args=(client, server, state), daemon=True).start()
            threading.Thread(target=self.answer, args=(server, client, state), daemon=True).start()

    @staticmethod
    def close_both(a, b):
        for s in (a, b):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()

    def ask(self, client, server, state):
        try:
            while data := client.recv(65536):
                # Handshakes are let through: application data begins with byte 23.
                state["asked"] = state.get("shaken", False) and data[0] == 23
                server.sendall(data)
        except OSError:
            pass
        self.close_both(client, server)

    def answer(self, server, client, state):
        try:
            while data := server.recv(65536):
                with self.lock:
                    is_cut = self.cuts > 0 and state["asked"]
                    self.cuts -= is_cut
                if is_cut:
                    break
                client.sendall(data)
                state["shaken"] = True
        except OSError:
            pass
        self.close_both(client, server)

    def close(self):
        self.listener.close()
        for s in self.sockets:
            s.close()
