"""Organizations and their users: put, deactivated, reactivated, and where they were last seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.core.commands import DeactivateUser, PutOrganization, PutUser, ReactivateUser, ReportPosition, Request
from gateway.core.ids import Ref
from gateway.core.outcomes import Applied, Ignored, Outcome, Parked, Refused, Why
from gateway.core.parties import Organization, Position, Role, Side, User, merged
from gateway.core.permissions import refuse_user
from gateway.core.values import replace

if TYPE_CHECKING:
    from gateway.core.facts import Facts

UserCommand = PutUser | DeactivateUser | ReactivateUser | ReportPosition


def decide_organization(request: Request, facts: Facts, command: PutOrganization) -> Outcome:
    """Creates or changes an organization, member by member; another account's put only matches.

    One that nobody knows yet may introduce itself.
    """
    actor = request.actor
    if actor.side not in {Side.ENTERPRISE, Side.PROVIDER}:
        return Refused(why=Why.NOT_ALLOWED, member="type")
    held = facts.organization
    if isinstance(request.refs.user, Ref):
        return Parked(ref=request.refs.user)
    if actor.user is not None:
        refusal = refuse_user(actor.user, request)
        if refusal is not None:
            return refusal
        if not actor.user.role.dispatches:
            return Refused(why=Why.ROLE_NOT_ALLOWED, member="data.user")
    if held is None and actor.organization is not None:
        return Refused(why=Why.NOT_ALLOWED, member="data.organization", detail="a provider changes its own only")
    if held is None:
        made = new_organization(request, command)
        return Applied(saved=(replace(made, latest={actor.source: request.digest}),))
    if held.latest.get(actor.source) == request.digest:
        return Ignored(why=Why.REPEAT)
    own = actor.side is Side.PROVIDER and actor.organization == held.number
    if actor.side is Side.PROVIDER and not own:
        return Refused(why=Why.NOT_ALLOWED, member="data.organization", detail="another organization")
    branch = held.branch_of is not None and held.branch_of == actor.account
    members = merged(held.members, command.members) if own or branch else held.members
    word = {**held.latest, actor.source: request.digest}
    return Applied(saved=(replace(held, members=members, latest=word),))


def new_organization(request: Request, command: PutOrganization) -> Organization:
    """An organization numbered after its record; a first-party account's is its branch."""
    actor = request.actor
    handle = command.members.get("handle")
    return Organization(
        number=request.number,
        handle=handle if isinstance(handle, str) else f"org-{request.number}",
        branch_of=actor.account if actor.first_party else None,
        members=merged({}, command.members),
    )


def decide_user(request: Request, facts: Facts, command: UserCommand) -> Outcome:
    """A user of `facts.organization`; `facts.users` are all of its people."""
    organization = facts.organization
    if organization is None:
        return _missing_organization(request)
    refusal = _refuse_outsider(request, organization, command)
    if refusal is not None:
        return refusal
    if isinstance(request.refs.user, Ref):
        return Parked(ref=request.refs.user)
    ref = request.refs.technician
    user = facts.users.get(ref) if isinstance(ref, int) else None
    if user is None:
        if isinstance(command, PutUser) and not isinstance(ref, int):
            return _new_user(request, organization, command)
        return Parked(ref=ref) if ref is not None and not isinstance(ref, int) else Refused(why=Why.NOT_YOUR_USER)
    if user.organization != organization.number:
        return Refused(why=Why.NOT_YOUR_USER, member="data.user")
    return _change_user(user, request, facts, command)


def _change_user(user: User, request: Request, facts: Facts, command: UserCommand) -> Outcome:
    match command:
        case PutUser():
            return _put_user(user, request, facts, command)
        case DeactivateUser():
            return _deactivate(user, request, facts)
        case ReactivateUser():
            if user.active:
                return Ignored(why=Why.NO_CHANGE)
            return Applied(saved=(replace(user, active=True, deactivated_at=None),))
        case ReportPosition(position):
            # By a clock that is ahead it would not grow old: neither overtaken by the next one nor blanked after a day.
            return _report_position(user, replace(position, at=min(position.at, request.arrived_at)))


def _report_position(user: User, position: Position) -> Outcome:
    if not user.active:
        return Refused(why=Why.USER_DEACTIVATED, member="data.user")
    if user.position is not None and position.at < user.position.at:
        return Ignored(why=Why.STALE)
    return Applied(saved=(replace(user, position=position),))


def _missing_organization(request: Request) -> Outcome:
    ref = request.refs.organization
    if ref is None or isinstance(ref, int):
        return Refused(why=Why.NO_PROVIDER, member="data.organization")
    return Parked(ref=ref)


def _refuse_outsider(request: Request, organization: Organization, command: UserCommand) -> Refused | None:
    actor = request.actor
    if actor.side is Side.ENTERPRISE:
        branch = organization.branch_of is not None and organization.branch_of == actor.account
        return None if branch else Refused(why=Why.NOT_YOUR_BRANCH, member="data.organization")
    if actor.side is not Side.PROVIDER or actor.organization != organization.number:
        return Refused(why=Why.NOT_ALLOWED, member="data.organization")
    if actor.user is None:
        return None
    refusal = refuse_user(actor.user, request)
    if refusal is not None:
        return refusal
    itself = isinstance(command, ReportPosition) and request.refs.technician == actor.user.number
    return None if itself or actor.user.role.dispatches else Refused(why=Why.ROLE_NOT_ALLOWED, member="data.user")


def _new_user(request: Request, organization: Organization, command: PutUser) -> Outcome:
    user = User(
        number=request.number,
        organization=organization.number,
        role=command.role or Role.TECHNICIAN,
        members=merged({}, command.members),
        latest={request.actor.source: request.digest},
    )
    return Applied(saved=(user,))


def _put_user(user: User, request: Request, facts: Facts, command: PutUser) -> Outcome:
    if user.latest.get(request.actor.source) == request.digest:
        return Ignored(why=Why.REPEAT)
    role = command.role or user.role
    if user.role.dispatches and not role.dispatches and _is_last_dispatcher(user, facts):
        return Refused(why=Why.LAST_DISPATCHER, member="data.role")
    changed = replace(
        user,
        role=role,
        members=merged(user.members, command.members),
        latest={**user.latest, request.actor.source: request.digest},
    )
    return Applied(saved=(changed,))


def _deactivate(user: User, request: Request, facts: Facts) -> Outcome:
    """The visits that this leaves without a technician are each changed by a record of their own."""
    if not user.active:
        return Ignored(why=Why.NO_CHANGE)
    if _is_last_dispatcher(user, facts):
        return Refused(why=Why.LAST_DISPATCHER, member="data.user")
    return Applied(saved=(replace(user, active=False, deactivated_at=request.occurred_at),))


def _is_last_dispatcher(user: User, facts: Facts) -> bool:
    others = (other for other in facts.users.values() if other.number != user.number)
    same = (other for other in others if other.organization == user.organization)
    return user.active and user.role.dispatches and not any(other.active and other.role.dispatches for other in same)
