"""The entry point by which papermill finds `--engine forked`.

papermill loads its engines while it is itself being imported, so this names the engine without importing papermill.
"""

from __future__ import annotations

from typing import Any


class Forked:
    """`helpers.kernel.ForkedEngine`, imported when first used."""

    @classmethod
    def execute_notebook(cls, *arguments: Any, **options: Any) -> Any:
        """Run a notebook; see papermill's `Engine`."""
        from helpers.kernel import ForkedEngine

        return ForkedEngine.execute_notebook(*arguments, **options)

    @classmethod
    def nb_kernel_name(cls, *arguments: Any, **options: Any) -> Any:
        """The kernel's name; see papermill's `Engine`."""
        from helpers.kernel import ForkedEngine

        return ForkedEngine.nb_kernel_name(*arguments, **options)

    @classmethod
    def nb_language(cls, *arguments: Any, **options: Any) -> Any:
        """The notebook's language; see papermill's `Engine`."""
        from helpers.kernel import ForkedEngine

        return ForkedEngine.nb_language(*arguments, **options)
