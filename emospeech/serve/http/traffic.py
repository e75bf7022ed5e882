"""What is under way at once: bodies that are read, and whole requests that wait for their answer."""

from collections.abc import Callable

from emospeech.serve.http.problems import Problem

RETRY_SECONDS = 1.0


class Traffic:
    """Counts predictions. A request takes a place only once it is whole: who sends slowly, or nothing, takes none.

    Args:
        places: requests that may wait for their answer.
        room: bytes of bodies that may be held at once.
        told: is given the number of taken places whenever it changes.
    """

    def __init__(self, places: int, room: int, told: Callable[[int], None]) -> None:
        self.places, self.room, self._told = places, room, told
        self.taken = self.held = 0

    def require_place(self) -> None:
        """
        Raises:
            Problem: if there is none.
        """
        if self.taken >= self.places:
            raise Problem("busy", f"{self.taken} requests are under way; try again", RETRY_SECONDS)

    def enter(self) -> None:
        """A request is whole.

        Raises:
            Problem: if there is no place for it.
        """
        self.require_place()
        self.taken += 1
        self._told(self.taken)

    def hold(self, count: int) -> None:
        """So many more bytes have come.

        Raises:
            Problem: if there is no room for them.
        """
        if self.held + count > self.room:
            raise Problem("busy", "too much is being sent at once; try again", RETRY_SECONDS)
        self.held += count

    def leave(self, count: int, entered: bool) -> None:
        """A request that held so many bytes is answered, or given up."""
        self.held -= count
        if entered:
            self.taken -= 1
            self._told(self.taken)
