"""The tables. An answer is a row that is only ever added; everything else follows from them."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# The newest migration; opening a database compares against it without loading Alembic.
REVISION = "0001"


class Base(DeclarativeBase):
    type_annotation_map = {dict[str, Any]: JSON, list[int]: JSON}  # noqa: RUF012


class Rules(Base):
    """One row: what is fixed for the life of a workspace."""

    __tablename__ = "rules"
    id: Mapped[int] = mapped_column(primary_key=True)
    exclusive: Mapped[bool]
    metric: Mapped[str]
    heldout_share: Mapped[float]
    audit_share: Mapped[float]
    seed: Mapped[int] = mapped_column(BigInteger)


class Label(Base):
    __tablename__ = "label"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    position: Mapped[int] = mapped_column(unique=True)


class Labeller(Base):
    """Whoever answers: a person, `import` (labels that came with photos) or `oracle`."""

    __tablename__ = "labeller"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]


class File(Base):
    """A place a photo was seen at, or a file that was quarantined with its reason.

    Rows are written while an import runs; the photo itself appears in `image` when it ends.
    `image_id` is the SHA-256 of the content; None where the file could not be read.
    """

    __tablename__ = "file"
    path: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    size: Mapped[int] = mapped_column(BigInteger)
    modified_ns: Mapped[int] = mapped_column(BigInteger)
    image_id: Mapped[str | None] = mapped_column(String(64), index=True)
    width: Mapped[int | None]
    height: Mapped[int | None]
    mime: Mapped[str | None]
    reason: Mapped[str | None]


class Image(Base):
    """A photo; `id` is the SHA-256 of its content, `position` its place in a random order."""

    __tablename__ = "image"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    width: Mapped[int]
    height: Mapped[int]
    mime: Mapped[str]
    group: Mapped[str] = mapped_column("group_name", index=True)
    split: Mapped[str] = mapped_column(index=True)
    position: Mapped[float]


class Truth(Base):
    """Labels known beforehand but not answered: for simulations only."""

    __tablename__ = "truth"
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), primary_key=True)
    labels: Mapped[list[int]]


class Round(Base):
    __tablename__ = "round"
    id: Mapped[int] = mapped_column(primary_key=True)
    strategy: Mapped[str]
    labelled: Mapped[int]
    queued: Mapped[int]
    seconds: Mapped[float]
    created_ms: Mapped[int] = mapped_column(BigInteger)
    evaluation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    info: Mapped[dict[str, Any]]


class Query(Base):
    """A photo that a round asks about, best first by `priority`."""

    __tablename__ = "query"
    __table_args__ = (
        Index(
            "query_one_open_per_image",
            "image_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index("query_order", "state", "round_id", "priority"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"))
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), index=True)
    purpose: Mapped[str]
    priority: Mapped[int]
    score: Mapped[float | None]
    state: Mapped[str]


class Answer(Base):
    """What one labeller said of one photo; a later row of theirs supersedes an earlier one."""

    __tablename__ = "answer"
    __table_args__ = (
        UniqueConstraint("labeller_id", "client_id", name="answer_once"),
        Index("answer_of_image", "image_id", "labeller_id", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"))
    query_id: Mapped[int | None] = mapped_column(ForeignKey("query.id"), index=True)
    labeller_id: Mapped[int] = mapped_column(ForeignKey("labeller.id"))
    kind: Mapped[str]
    labels: Mapped[list[int]]
    client_id: Mapped[str]
    supersedes: Mapped[int | None] = mapped_column(ForeignKey("answer.id"))
    created_ms: Mapped[int] = mapped_column(BigInteger)
