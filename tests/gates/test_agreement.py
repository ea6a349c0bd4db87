"""The gate written as values and the gate written as SQL say the same of every model, role and place."""

from tests.gates.world import RELATIONS, Role, World, scoped_models
from wushe.kernel import policy


def _checked(world: World, role: Role, verb: str) -> int:
    disagreements, seen = [], 0
    for model in scoped_models():
        classes = {
            model.Scope.data_class,
            *(c for c in policy.data_classes() if c.startswith(model.Scope.data_class + ".")),
        }
        for data_class in sorted(filter(None, classes)):
            visible = set(
                model._default_manager.visible_to(role.actor, verb, data_class).values_list("pk", flat=True)
            )
            for row in model._default_manager.all():
                seen += 1
                if (row.pk in visible) != policy.allows(role.actor, verb, row.facts(data_class)):
                    disagreements.append((role.name, verb, data_class, str(row)))
    assert disagreements == []
    return seen


def test_rows_by_sql_are_the_rows_by_rule(world: World, roles: list[Role]) -> None:
    cells = sum(_checked(world, role, verb) for role in roles for verb in ("view", "edit"))
    assert cells > 1_000


def test_no_row_is_returned_twice(world: World, roles: list[Role]) -> None:
    for role in roles:
        for model in scoped_models():
            if model.Scope.data_class:
                keys = list(model._default_manager.visible_to(role.actor).values_list("pk", flat=True))
                assert len(keys) == len(set(keys)), (role.name, model.__name__)


def test_roles_at_a_place_see_own_and_child_and_nothing_else(world: World, roles: list[Role]) -> None:
    """The oracle here is the map, not the policy: whatever the matrix grants, it ends at the subtree's edge."""
    for role in roles:
        if not role.actor.grants or role.is_national:
            continue
        for name in ("Person", "ContactPoint", "Consent", "Membership", "Account", "ImportRun", "AuditEvent"):
            for relation in RELATIONS:
                row = world.row(relation, name)
                visible = type(row)._default_manager.visible_to(role.actor).filter(pk=row.pk).exists()
                assert not visible or relation in ("own", "child"), (role.name, name, relation)
