"""What another version of an app changes."""

from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.app_difference import Changed, Difference, ServiceDifference, difference
from mosaic.core.compose_document import Compose, Json, read_compose
from mosaic.core.ids import ServiceName

_NAMES = st.sampled_from(["web", "db", "cache", "worker"])
_VARIABLES = st.dictionaries(st.sampled_from(["A", "B", "TOKEN"]), st.sampled_from(["one", "two", None]))
_SERVICES = st.fixed_dictionaries(
    {"image": st.sampled_from(["web:1", "web:2", "db:1"]), "environment": _VARIABLES},
    optional={
        "command": st.sampled_from(["run", "serve"]),
        "ports": st.lists(st.sampled_from(["8080:80", "53:53/udp"]), unique=True),
        "cap_add": st.just(["SYS_NICE"]),
    },
)
_DOCUMENTS = st.builds(
    lambda services, volumes: {"services": services, "volumes": dict.fromkeys(volumes)},
    st.dictionaries(_NAMES, _SERVICES, min_size=1),
    st.sets(st.sampled_from(["data", "uploads"])),
)
apps = _DOCUMENTS.map(read_compose)


def app(services: dict[str, Json], **rest: Json) -> Compose:
    return read_compose({"services": services, **rest})


@given(apps)
def test_a_version_does_not_differ_from_itself(one: Compose) -> None:
    found = difference(one, one)
    assert (found.services, found.volumes, found.ports) == ((), Changed(), Changed())


@given(apps, apps)
def test_going_the_other_way_is_the_same_the_other_way_round(one: Compose, other: Compose) -> None:
    there, back = difference(one, other), difference(other, one)
    assert (there.volumes, there.ports) == (_turned(back.volumes), _turned(back.ports))
    assert there.services == tuple(_turned_service(each) for each in back.services)


@given(apps, apps)
def test_exactly_the_services_that_differ_are_named(one: Compose, other: Compose) -> None:
    named = {each.service for each in difference(one, other).services}
    assert named == {
        name for name in {*one.services, *other.services} if one.services.get(name) != other.services.get(name)
    }


@given(apps, apps)
def test_the_difference_leads_from_the_one_to_the_other(one: Compose, other: Compose) -> None:
    found = difference(one, other)
    assert {*one.volumes, *found.volumes.added} - set(found.volumes.removed) == set(other.volumes)
    for each in found.services:
        before, after = _variables(one, each.service), _variables(other, each.service)
        assert {*before, *each.environment_added} - set(each.environment_removed) == set(after)
        same = before.keys() & after.keys() - set(each.environment_changed)
        assert all(before[key] == after[key] for key in same)
        assert all(before[key] != after[key] for key in each.environment_changed)


def test_values_of_variables_are_compared_and_never_said() -> None:
    one = app({"web": {"image": "web:1", "environment": ["TOKEN=hunter2", "OLD=hunter3"]}})
    other = app({"web": {"image": "web:1", "environment": {"TOKEN": "hunter4", "NEW": "hunter5"}}})
    found = difference(one, other)
    web = ServiceDifference(ServiceName("web"), "web:1", "web:1", ("NEW",), ("OLD",), ("TOKEN",))
    assert found == Difference(services=(web,))
    assert "hunter" not in repr(found)


def test_other_settings_of_a_service_are_named() -> None:
    one = app({"web": {"image": "web:1", "command": ["serve"], "user": "app"}})
    other = app(
        {"web": {"image": "web:1", "command": ["serve", "--fast"], "healthcheck": {"test": "true"}, "user": "app"}}
    )
    assert [each.settings for each in difference(one, other).services] == [("command", "healthcheck")]


def test_what_is_new_and_what_is_gone_is_said_of_services_volumes_and_ports() -> None:
    one = app({"web": {"image": "web:1", "ports": ["8080:80"]}}, volumes={"old": None})
    other = app({"db": {"image": "db:1", "cap_add": ["SYS_NICE"]}}, volumes={"new": None})
    found = difference(one, other)
    assert [(each.service, each.image_before, each.image_after) for each in found.services] == [
        ("db", None, "db:1"),
        ("web", "web:1", None),
    ]
    assert (found.volumes, found.ports) == (Changed(("new",), ("old",)), Changed((), ("web 80/tcp",)))
    assert found.asks_after == ("capability:SYS_NICE",)


def _variables(of: Compose, service: ServiceName) -> dict[str, Json]:
    found = of.services.get(service, {}).get("environment", {})
    assert isinstance(found, dict)
    return found


def _turned(changed: Changed) -> Changed:
    return Changed(changed.removed, changed.added)


def _turned_service(one: ServiceDifference) -> ServiceDifference:
    return ServiceDifference(
        one.service,
        one.image_after,
        one.image_before,
        one.environment_removed,
        one.environment_added,
        one.environment_changed,
        one.settings,
    )
