"""Tables and JSON: the first rows of Parquet, CSV and lists of objects, and documents as trees; within limits whatever the file says."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scorekit_studio.viewers.trouble import Unshowable, read, sized

if TYPE_CHECKING:
    import pandas

MOST_ROWS = 5000
MOST_COLUMNS = 200
MOST_JSON = 8_000_000
MOST_CSV = 32_000_000
MOST_PARQUET = 1_000_000_000
MOST_DECODED = 512_000_000  # bytes of a Parquet row group
MOST_CELL = 2000  # characters

Table = tuple["pandas.DataFrame", int | None]  # the rows that are shown, and how many there are where that is known


def table(path: Path) -> Table:
    """The rows of a Parquet, CSV, TSV or JSON-lines file. Raises Unshowable for damaged and too large files."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _parquet(path)
    if suffix == ".jsonl":
        rows = [json_value(line) for line in read(path, MOST_JSON).splitlines()[:MOST_ROWS] if line.strip()]
        found = rows_of(rows)
        if found is None:
            raise Unshowable("The lines of the file are no objects.")
        return found, None
    return _csv(path, "\t" if suffix == ".tsv" else ",")


def _parquet(path: Path) -> Table:
    import pyarrow
    import pyarrow.parquet

    if path.stat().st_size > MOST_PARQUET:
        raise Unshowable(f"The table has {sized(path.stat().st_size)}; it can be downloaded.")
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            meta = file.metadata
            if meta.num_row_groups and meta.row_group(0).total_byte_size > MOST_DECODED:
                raise Unshowable(
                    f"The table's first part has {sized(meta.row_group(0).total_byte_size)}; it can be downloaded."
                )
            names = file.schema_arrow.names[:MOST_COLUMNS]
            batch = next(
                file.iter_batches(MOST_ROWS, columns=names, row_groups=[0] if meta.num_row_groups else []), None
            )
            shown = pyarrow.table({n: [] for n in names}) if batch is None else pyarrow.Table.from_batches([batch])
            return _tame(shown.to_pandas()), meta.num_rows
    except Unshowable:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError):
        raise Unshowable("The table is damaged, or was not written to its end.") from None


def _csv(path: Path, between: str) -> Table:
    import pandas

    text = read(path, MOST_CSV).decode("utf-8", errors="replace")
    try:
        frame = pandas.read_csv(io.StringIO(text), sep=between, nrows=MOST_ROWS, on_bad_lines="skip")
    except (ValueError, pandas.errors.ParserError, OverflowError):
        raise Unshowable("The file is no table that can be read.") from None
    return _tame(frame.iloc[:, :MOST_COLUMNS]), None if len(frame) == MOST_ROWS else len(frame)


def json_document(path: Path) -> Any:
    """What a JSON file holds, with numbers that are not finite as text. Raises Unshowable."""
    return json_value(read(path, MOST_JSON))


def json_value(content: bytes) -> Any:
    """As `json_document`, of bytes."""
    try:
        value = json.loads(content, parse_constant=str)
        json.dumps(value)  # too deep for it is too deep for the browser
    except (ValueError, RecursionError):
        raise Unshowable("The file is no whole JSON.") from None
    return value


def rows_of(value: Any) -> "pandas.DataFrame | None":
    """A list of objects whose values are plain (text, numbers, None, lists of them) as a table; None for anything else."""
    import pandas

    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        return None
    if not all(isinstance(row, Mapping) for row in value):
        return None
    rows = value[:MOST_ROWS]
    if any(isinstance(cell, Mapping) for row in rows for cell in row.values()):
        return None
    return _tame(pandas.DataFrame(list(rows)).iloc[:, :MOST_COLUMNS])


def _tame(frame: "pandas.DataFrame") -> "pandas.DataFrame":
    """Bytes, nested and endless values as short text, and names as text: so that Arrow takes them."""
    import pandas

    frame = frame.copy()
    frame.columns = pandas.Index([str(name)[:200] for name in frame.columns])
    frame = frame.loc[:, ~frame.columns.duplicated()]
    for name in frame.columns:
        if frame[name].dtype == object or pandas.api.types.is_string_dtype(frame[name]):
            cells = [_short(cell) for cell in frame[name].tolist()]
            kinds = {type(cell) for cell in cells if cell is not None}
            if len(kinds) > 1 and not kinds <= {int, float}:
                cells = [None if cell is None else str(cell) for cell in cells]
            frame[name] = pandas.Series(cells, index=frame.index, dtype=object)
    return frame


def _short(cell: Any) -> Any:
    if cell is None or isinstance(cell, bool | int | float):
        return None if isinstance(cell, float) and cell != cell else cell
    if isinstance(cell, bytes):
        return sized(len(cell))
    text = cell if isinstance(cell, str) else str(cell)
    return text if len(text) <= MOST_CELL else text[:MOST_CELL] + " …"
