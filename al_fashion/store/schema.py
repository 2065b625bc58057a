"""The tables. An answer is a row that is only ever added; everything else follows from them."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# The newest migration; opening a database compares against it without loading Alembic.
REVISION = "0005"


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
    """Whoever answers: a person, `import` (labels that came with photos) or `oracle`.

    `seen_ms` is when they were here last. `role` is labeller or owner. `password` is an Argon2
    hash; `invitation` is the SHA-256 of an invitation that was not yet used. `sessions` changes
    to end every session of the person.
    """

    __tablename__ = "labeller"
    __table_args__ = (Index("labeller_invitation", "invitation", unique=True),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    role: Mapped[str] = mapped_column(default="labeller")
    password: Mapped[str | None]
    invitation: Mapped[str | None]
    invited_until_ms: Mapped[int | None] = mapped_column(BigInteger)
    sessions: Mapped[int] = mapped_column(default=0)
    seen_ms: Mapped[int] = mapped_column(BigInteger, default=0)


class LoginFailure(Base):
    """A wrong password: for a name, from an address."""

    __tablename__ = "login_failure"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(index=True)
    address: Mapped[str] = mapped_column(index=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)


class File(Base):
    """A place a photo was seen at, or a file that was quarantined with its reason.

    Rows are written while an import runs; the photo itself appears in `image` when it ends.
    `image_id` is the SHA-256 of the content; None where the file could not be read. `phash` and
    `thumbnail` (16 x 16 grey values) tell near duplicates.
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
    phash: Mapped[str | None] = mapped_column(String(16))
    thumbnail: Mapped[bytes | None]


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


class Removed(Base):
    """A photo that was removed for good; its hash stays, so that no import brings it back."""

    __tablename__ = "removed"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)


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
    """A photo that a round asks about, best first by `priority`.

    `overlap` people at most are asked. `guess` is what the model thought most likely when it
    asked: label ids with probabilities.
    """

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
    overlap: Mapped[int] = mapped_column(default=1)
    guess: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class Slot(Base):
    """Room for one person's answer to a query; what is not there cannot be given out twice.

    `state` is free, leased, answered or closed. `round_id` and `priority` are the query's,
    here too so that one index finds the next free slot.
    """

    __tablename__ = "slot"
    __table_args__ = (
        UniqueConstraint("query_id", "slot_no", name="slot_of_query"),
        UniqueConstraint("query_id", "labeller_id", name="slot_one_a_person"),
        Index("slot_order", "state", "round_id", "priority", "slot_no"),
        Index("slot_of_labeller", "labeller_id", "state"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    query_id: Mapped[int] = mapped_column(ForeignKey("query.id"))
    slot_no: Mapped[int]
    round_id: Mapped[int]
    priority: Mapped[int]
    state: Mapped[str]
    labeller_id: Mapped[int | None] = mapped_column(ForeignKey("labeller.id"))
    token: Mapped[str | None] = mapped_column(String(32))
    until_ms: Mapped[int | None] = mapped_column(BigInteger)


class Lease(Base):
    """A photo was given to a person to answer; `token` is all that the person's page knows.

    Without a query it is a check. `exposed_ms` is when the page told the model's guess.
    """

    __tablename__ = "lease"
    __table_args__ = (Index("lease_of_labeller", "labeller_id", "query_id"),)
    token: Mapped[str] = mapped_column(String(32), primary_key=True)
    labeller_id: Mapped[int] = mapped_column(ForeignKey("labeller.id"))
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), index=True)
    query_id: Mapped[int | None] = mapped_column(ForeignKey("query.id"), index=True)
    created_ms: Mapped[int] = mapped_column(BigInteger)
    exposed_ms: Mapped[int | None] = mapped_column(BigInteger)


class Answer(Base):
    """What one labeller said of one photo; a later row of theirs supersedes an earlier one.

    `late` came when every slot of the query was taken: kept, but not counted towards the
    overlap. `verdict` is an owner's, and decides. `labels_shown` is how many labels there were.
    """

    __tablename__ = "answer"
    __table_args__ = (
        UniqueConstraint("labeller_id", "client_id", name="answer_once"),
        Index("answer_of_image", "image_id", "labeller_id", "id"),
        Index("answer_of_labeller", "labeller_id", "id"),
        Index("answer_of_query", "query_id", "labeller_id", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"))
    query_id: Mapped[int | None] = mapped_column(ForeignKey("query.id"))
    labeller_id: Mapped[int] = mapped_column(ForeignKey("labeller.id"))
    kind: Mapped[str]
    labels: Mapped[list[int]]
    client_id: Mapped[str]
    supersedes: Mapped[int | None] = mapped_column(ForeignKey("answer.id"))
    created_ms: Mapped[int] = mapped_column(BigInteger)
    token: Mapped[str | None] = mapped_column(ForeignKey("lease.token"), index=True)
    late: Mapped[bool] = mapped_column(default=False)
    verdict: Mapped[bool] = mapped_column(default=False)
    reason: Mapped[str | None]
    proposal: Mapped[str | None]
    labels_shown: Mapped[int | None]


class Audit(Base):
    """An attempt to prove a frozen model's accuracy; `id` is the attempt's number.

    `state` is open, claimed or stopped. `model_hash` is the SHA-256 of the model's file.
    """

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"))
    model_file: Mapped[str]
    model_hash: Mapped[str] = mapped_column(String(64))
    overlap: Mapped[int]
    created_ms: Mapped[int] = mapped_column(BigInteger)
    ended_ms: Mapped[int | None] = mapped_column(BigInteger)
    record: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class AuditPhoto(Base):
    """A photo drawn for an audit, `place` in the drawn order, with the model's frozen say.

    `predicted` are label ids, `top` is the most probable label. The photo may be removed later
    and then counts as wrong, so nothing here refers to its row.
    """

    __tablename__ = "audit_photo"
    __table_args__ = (UniqueConstraint("audit_id", "place", name="audit_order"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    audit_id: Mapped[int] = mapped_column(ForeignKey("audit.id"))
    place: Mapped[int]
    image_id: Mapped[str] = mapped_column(String(64), index=True)
    group: Mapped[str] = mapped_column("group_name")
    predicted: Mapped[list[int]]
    top: Mapped[int]


class Prediction(Base):
    """What the newest round's model thinks of a photo of the pool.

    `labels` are what it predicts, `top` the likeliest label with its `probability`, `uncertainty`
    in [0, 1]. Of held-out and audit photos nothing is kept: nobody may learn it before they answer.
    """

    __tablename__ = "prediction"
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), primary_key=True)
    round_id: Mapped[int] = mapped_column(ForeignKey("round.id"))
    top: Mapped[int]
    probability: Mapped[float]
    uncertainty: Mapped[float]
    labels: Mapped[list[int]]


class Suspect(Base):
    """An answered photo whose `labels` looked wrong when last looked for, at `created_ms`."""

    __tablename__ = "suspect"
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), primary_key=True)
    suspicion: Mapped[float]
    labels: Mapped[list[int]]
    created_ms: Mapped[int] = mapped_column(BigInteger)


class GalleryPhoto(Base):
    """A photo of the pool as the gallery finds it; follows from the other tables.

    `state` is a sum of the bits of `store/gallery.py`. `uncertainty` is -1 where there is none, or
    none may be told because the photo waits for an answer.
    """

    __tablename__ = "gallery_photo"
    __table_args__ = (Index("gallery_order", "uncertainty", "image_id", "state"),)
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), primary_key=True)
    uncertainty: Mapped[float]
    state: Mapped[int]


class GalleryLabel(Base):
    """A label that a photo of the gallery was answered or is predicted to have."""

    __tablename__ = "gallery_label"
    __table_args__ = (
        Index(
            "gallery_label_order",
            "label_id",
            "uncertainty",
            "image_id",
            "state",
            "answered",
            "predicted",
        ),
        # Whether a photo has a second label is then one look.
        {"sqlite_with_rowid": False},
    )
    image_id: Mapped[str] = mapped_column(ForeignKey("image.id"), primary_key=True)
    label_id: Mapped[int] = mapped_column(ForeignKey("label.id"), primary_key=True)
    answered: Mapped[bool]
    predicted: Mapped[bool]
    uncertainty: Mapped[float]
    state: Mapped[int]


class GalleryProgress(Base):
    """One row: up to which answer, query, round and search for suspects the gallery follows."""

    __tablename__ = "gallery_progress"
    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[int]
    query_id: Mapped[int]
    round_id: Mapped[int]
    suspects_ms: Mapped[int] = mapped_column(BigInteger)
