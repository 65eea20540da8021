from __future__ import annotations

import asyncio
import logging

import pytest

from ockam.core.access_control import ALLOW_ALL, DENY_ALL, AccessControl, AllOf, AllowSourceAddresses, AnyOf
from ockam.core.address import Address
from ockam.core.errors import IncompleteRoute
from ockam.core.flow_control import FlowControlId
from ockam.core.message import LocalInfo, LocalMessage, Routed
from ockam.core.route import Route, route
from ockam.errors import DecodeError, Kind, Misuse, Origin, TimedOut
from ockam.runtime import (
    AddressInUse,
    AddressMetadata,
    Context,
    Echo,
    Echoer,
    Hop,
    NodeStopping,
    NotOwnAddress,
    UnknownAddress,
    UnresolvedAddress,
    Uppercase,
    Worker,
)
from tests.asynchronous import asynchronous, settle
from tests.runtime.running import Control, Recorder, Stuck, running


@asynchronous
async def test_send_gives_the_own_address_as_return_route() -> None:
    async with running() as app:
        worker = Recorder()
        await app.start_worker("w", worker)
        await app.send(route("w", "beyond"), b"hello", local_info=(LocalInfo("kind", b"data"),))
        message = await worker.messages.get()
        assert message.onward_route == route("w", "beyond")
        assert message.return_route == route("app")
        assert (message.address, message.source) == (Address.local("w"), Address.local("app"))
        assert message.local_info == (LocalInfo("kind", b"data"),)
        assert message.sender == Address.local("app")


@asynchronous
async def test_what_cannot_be_sent() -> None:
    async with running() as app:
        with pytest.raises(IncompleteRoute):
            await app.send(Route(), b"")
        with pytest.raises(UnknownAddress, match=r"No such alias: 0#x") as unknown:
            await app.send("x", b"")
        assert (unknown.value.origin, unknown.value.kind) == (Origin.NODE, Kind.NOT_FOUND)
        with pytest.raises(UnresolvedAddress) as unresolved:
            await app.send("1#127.0.0.1:4000", b"")
        assert (unresolved.value.origin, unresolved.value.kind) == (Origin.NODE, Kind.INTERNAL)
        with pytest.raises(TypeError):
            await app.send("app", 7)  # type: ignore[arg-type] # no message type


class Second(Worker[bytes]):
    """Answers from its second address."""

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        await ctx.send_from_address(message.return_route, message.address.value, "second")
        forwarded = LocalMessage(message.return_route, route("made up"), b"forwarded")
        await ctx.forward(forwarded)
        await ctx.forward_from_address(
            LocalMessage(message.return_route, Route(), b"forwarded too"), Address.local("second")
        )
        with pytest.raises(NotOwnAddress) as error:
            await ctx.send_from_address(message.return_route, b"", "third")
        assert (error.value.origin, error.value.kind) == (Origin.NODE, Kind.INVALID)


@asynchronous
async def test_a_worker_with_two_addresses() -> None:
    async with running() as app:
        await app.start_worker("first", Second(), additional=[("second", ALLOW_ALL, ALLOW_ALL)])
        for address in ("first", "second"):
            await app.send(address, b"")
            got = [await app.receive() for _ in range(3)]
            assert [m.body for m in got] == [address.encode(), b"forwarded", b"forwarded too"]
            assert [m.return_route for m in got] == [route("second"), route("made up"), Route()]
            assert [str(m.source) for m in got] == ["0#second", "0#first", "0#second"]
        assert not app.is_worker_registered_at("second")  # an alias
        assert len(app.list_workers()) == 2
        await app.stop_address("second")
        with pytest.raises(UnknownAddress):
            await app.send("first", b"")


@asynchronous
async def test_an_address_in_use_registers_nothing() -> None:
    async with running() as app:
        await app.start_worker("taken", Recorder())
        start = app.runtime.statistics()
        both = [("free", ALLOW_ALL, ALLOW_ALL), ("taken", ALLOW_ALL, ALLOW_ALL)]
        for address, more in (("taken", ()), ("new", both), ("new", [("new", ALLOW_ALL, ALLOW_ALL)])):
            with pytest.raises(AddressInUse, match="operation failed for address 0#") as error:
                await app.start_worker(address, Recorder(), additional=more)
            assert (error.value.origin, error.value.kind) == (Origin.NODE, Kind.ALREADY_EXISTS)
        assert app.runtime.statistics() == start
        with pytest.raises(Misuse, match="names a socket"):
            await app.start_worker("1#taken elsewhere", Recorder())
        with pytest.raises(AddressInUse):
            app.new_detached("app")


@asynchronous
async def test_receive_times_out_with_the_text_of_the_reference() -> None:
    async with running() as app:
        with pytest.raises(TimedOut, match=r"^timeout: 0\.01s$") as error:
            await app.receive(timeout=0.01)
        assert (error.value.origin, error.value.kind) == (Origin.NODE, Kind.TIMEOUT)
        await app.send("app", "a text")
        assert (await app.receive(str, timeout=None)).body == "a text"
        await app.send("app", b"\xff")
        with pytest.raises(DecodeError):
            await app.receive(str)


@asynchronous
async def test_several_may_receive_at_once() -> None:
    async with running() as app:
        receivers = [asyncio.create_task(app.receive()) for _ in range(3)]
        await settle()
        receivers[0].cancel()
        for number in range(2):
            await app.send("app", b"%d" % number)
        bodies = await asyncio.gather(*receivers[1:])
        assert sorted(message.body for message in bodies) == [b"0", b"1"]


@asynchronous
async def test_receive_ends_when_the_context_or_the_node_is_stopped() -> None:
    async with running() as app:
        context = app.new_detached(incoming=ALLOW_ALL)
        for receiver, stop, error in (
            (context, context.stop, UnknownAddress),
            (app, app.shutdown_node, NodeStopping),
        ):
            waiting = asyncio.create_task(receiver.receive(timeout=None))
            await settle()
            await stop()
            with pytest.raises(error):
                await waiting


@asynchronous
async def test_questions_and_answers() -> None:
    async with running() as app:
        await app.start_worker("echoer", Echoer())
        await app.start_worker("echo", Echo())
        await app.start_worker("uppercase", Uppercase())
        await app.start_worker("hop", Hop())
        await settle()
        start = app.runtime.statistics()
        assert await app.send_and_receive("echoer", "Hello Ockam!", reply=str) == "Hello Ockam!"
        assert await app.send_and_receive("echo", b"\x00\xff") == b"\x00\xff"
        assert await app.send_and_receive(route("hop", "hop", "uppercase"), "hello", reply=str) == "HELLO"
        answer = await app.send_and_receive_extended(route("hop", "echo"), b"x", timeout=None)
        assert answer.return_route == route("hop", "echo")
        with pytest.raises(DecodeError):
            await app.send_and_receive("echo", b"\xff", reply=str)
        await settle()
        assert app.runtime.statistics() == start


@asynchronous
async def test_an_echoer_does_not_answer_what_is_no_text() -> None:
    async with running() as app:
        await app.start_worker("echoer", Echoer())
        for body in (b"", b"\xff"):
            with pytest.raises(TimedOut):
                await app.send_and_receive("echoer", body, timeout=0.01)


@asynchronous
async def test_a_question_without_an_answer_leaves_nothing_behind() -> None:
    async with running() as app:
        worker = Stuck()
        await app.start_worker("stuck", worker)
        start = app.runtime.statistics()
        with pytest.raises(TimedOut, match=r"^timeout: 0\.01s$"):
            await app.send_and_receive("stuck", b"", timeout=0.01)
        with pytest.raises(UnknownAddress):
            await app.send_and_receive("nowhere", b"")
        with pytest.raises(IncompleteRoute):
            await app.send_and_receive(Route(), b"")
        cancelled = asyncio.create_task(app.send_and_receive("stuck", b"", timeout=30))
        await settle()
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        now = app.runtime.statistics()
        assert (now["workers"], now["addresses"]) == (start["workers"], start["addresses"])
        worker.may_go_on.set()


@asynchronous
async def test_only_the_first_answer_counts_and_it_may_be_refused() -> None:
    async with running() as app:
        recorder = Recorder()
        await app.start_worker("w", recorder)
        asking = asyncio.create_task(app.send_and_receive("w", b"?"))
        question = await recorder.messages.get()
        await app.send(question.return_route, b"1")
        await app.send(question.return_route, b"2")
        assert await asking == b"1"
        asking = asyncio.create_task(
            app.send_and_receive("w", b"?", incoming=AllowSourceAddresses(Address.local("other")))
        )
        question = await recorder.messages.get()
        await app.send(question.return_route, b"from app")
        other = app.new_detached("other", outgoing=ALLOW_ALL)
        await other.send(question.return_route, b"from other")
        assert await asking == b"from other"
        with pytest.raises(TimedOut):
            await app.send_and_receive("w", b"?", outgoing=DENY_ALL, timeout=0.01)
        assert recorder.messages.empty()


@asynchronous
async def test_whoever_waits_for_an_answer_hears_that_the_node_stops() -> None:
    async with running() as app:
        await app.start_worker("stuck", Stuck())
        waiting = [asyncio.create_task(app.send_and_receive("stuck", b"", timeout=limit)) for limit in (None, 30.0)]
        await settle()
        await app.shutdown_node()
        for task in waiting:
            with pytest.raises(NodeStopping):
                await task
        with pytest.raises(NodeStopping) as error:
            await app.send_and_receive("stuck", b"")
        assert (error.value.origin, error.value.kind) == (Origin.NODE, Kind.SHUTDOWN)


@asynchronous
async def test_the_temporary_address_is_a_consumer_of_the_first_hops_flow_control() -> None:
    async with running() as app:
        worker, controls, flow = Recorder(), app.flow_controls, FlowControlId("f")
        await app.start_worker("sender", worker)
        controls.add_producer(Address.local("receiver"), flow, None, (Address.local("sender"),))
        asking = asyncio.create_task(app.send_and_receive("sender", b"?"))
        question = await worker.messages.get()
        assert controls.consumers(flow) == set(question.return_route.addresses)
        await app.send(question.return_route, b"!")
        assert await asking == b"!"
        assert controls.consumers(flow) == set()


@asynchronous
async def test_detached_contexts() -> None:
    async with running() as app:
        closed = app.new_detached()
        await app.send(closed.address, b"refused by its access control")
        await closed.send("app", b"refused by its access control")
        with pytest.raises(TimedOut):
            await closed.receive(timeout=0.01)
        named = app.new_detached("named", incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
        assert await asyncio.gather(named.receive(), app.send("named", b"x"))
        assert len(app.list_workers()) == 3
        await named.stop()
        await closed.stop()
        assert app.list_workers() == [app.primary_address]


@asynchronous
async def test_metadata_and_terminal_addresses() -> None:
    async with running() as app:
        known = AddressMetadata(is_terminal=True, attributes={"kind": "test"})
        await app.start_worker("plain", Hop(), metadata=AddressMetadata(attributes={"a": "b"}))
        await app.start_worker("end", Recorder(), metadata=known)
        assert app.find_terminal_address(route("plain", "end", "beyond")) == (Address.local("end"), known)
        assert app.find_terminal_address(route("plain", "app", "1#127.0.0.1:1")) is None
        assert app.runtime.metadata(Address(1, b"end")) is None


@asynchronous
async def test_delayed_events() -> None:
    async with running() as app:
        event = app.delayed_event("app", b"later")
        event.schedule(3600)
        event.schedule(0)
        message = await app.receive()
        assert (message.body, message.source) == (b"later", event.address)
        event.schedule(0)
        event.cancel()
        lost = app.delayed_event("nowhere", b"logged")
        lost.schedule(0)
        last = app.delayed_event("app", b"last")
        last.schedule(0.001)
        assert (await app.receive()).body == b"last"
        event.schedule(0)
        lost.schedule(0)
        await app.shutdown_node()
        await asyncio.sleep(0)


# ---- access controls -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("direct", [False, True])
def test_an_incoming_control_lets_pass_or_drops(waits: bool, direct: bool) -> None:
    @asynchronous
    async def check() -> None:
        async with running() as app:
            worker, control = Recorder(), Control(waits=waits)
            control.may_answer.set()
            if direct:
                await app.start_worker("end", worker)
                await app.start_worker("w", Hop(), incoming=control)
            else:
                await app.start_worker("w", worker, incoming=control)
            where = route("w", "end") if direct else route("w")
            await app.send(where, b"1")
            assert await worker.next() == b"1"
            assert (control.asked[0].source, control.asked[0].destination) == (app.address, Address.local("w"))
            control.answer = False
            await app.send(where, b"2")
            await settle()
            control.answer = ValueError("broken")
            await app.send(where, b"3")
            await settle()
            control.answer = True
            await app.send(where, b"4")
            assert await worker.next() == b"4"

    check()


@pytest.mark.parametrize("waits", [False, True])
def test_an_outgoing_control_lets_pass_or_drops_and_the_sender_hears_nothing(
    waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    @asynchronous
    async def check() -> None:
        async with running() as app:
            worker, control = Recorder(), Control(waits=waits)
            control.may_answer.set()
            await app.start_worker("w", worker)
            sender = app.new_detached("sender", outgoing=control)
            await sender.send("w", b"1")
            await settle()
            control.answer = False
            await sender.send("w", b"2")
            await settle()
            control.answer = ValueError("broken")
            if waits:
                await sender.send("w", b"3")
            else:
                with pytest.raises(ValueError, match="broken"):
                    await sender.send("w", b"3")
            await settle()
            control.answer = True
            await sender.send("w", b"4")
            assert [await worker.next(), await worker.next()] == [b"1", b"4"]

    with caplog.at_level(logging.WARNING):
        check()
    assert "a message from 0#sender to 0#w was refused" in caplog.text


@pytest.mark.parametrize("side", ["incoming", "outgoing", "both"])
def test_messages_stay_in_order_behind_a_control_that_waits(side: str) -> None:
    @asynchronous
    async def check() -> None:
        async with running() as app:
            worker, control = Recorder(), Control(waits=True)
            await app.start_worker("end", worker)
            await app.start_worker("hop", Hop(), incoming=control if side != "outgoing" else ALLOW_ALL)
            sender = app.new_detached("sender", outgoing=control if side != "incoming" else ALLOW_ALL)
            other = Recorder()
            await app.start_worker("other", other)
            await sender.send(route("hop", "end"), bytearray(b"0"))
            control.waits = False  # what comes later could pass at once
            await sender.send(route("hop", "end"), b"1")
            await sender.send(route("hop", "end"), b"2")
            await sender.send("other", b"elsewhere")
            assert await other.next() == b"elsewhere"  # nobody else waits
            assert worker.messages.empty()
            control.may_answer.set()
            assert [await worker.next() for _ in range(3)] == [b"0", b"1", b"2"]
            await settle()
            await sender.send(route("hop", "end"), b"3")
            assert await worker.next() == b"3"

    check()


@asynchronous
async def test_what_waits_for_a_control_is_bounded_and_dropped_with_its_worker() -> None:
    async with running() as app:
        control, worker = Control(waits=True), Recorder()
        await app.start_worker("end", worker)
        await app.start_worker("hop", Hop(), incoming=control)
        sent = 0

        async def flood() -> None:
            nonlocal sent
            for _ in range(40):
                await app.send(route("hop", "end"), bytes(256 * 1024))
                sent += 1

        flooding = asyncio.create_task(flood())
        await settle(100)
        assert 15 <= sent <= 17  # 4 MiB
        control.may_answer.set()
        await flooding
        for _ in range(40):
            await worker.next()
        control.may_answer.clear()
        await app.send(route("hop", "end"), b"late")
        await settle()
        await app.stop_address("hop")
        control.may_answer.set()
        await settle()
        assert worker.messages.empty()


@asynchronous
async def test_what_waits_for_a_control_ends_with_the_node() -> None:
    async with running() as app:
        control = Control(waits=True)
        await app.start_worker("hop", Hop(), incoming=control)
        for _ in range(3):
            await app.send("hop", bytes(3 * 1024 * 1024)) if _ == 0 else None
        waiting = asyncio.create_task(app.send("hop", bytes(3 * 1024 * 1024)))
        await settle()
        assert not waiting.done()
        await app.shutdown_node()
        await waiting


@asynchronous
async def test_an_error_behind_a_control_that_waits_is_logged() -> None:
    async with running() as app:
        control = Control(waits=True)
        control.may_answer.set()
        await app.start_worker("hop", Hop(), incoming=control)
        await app.send(route("hop", "nowhere"), b"")
        await settle()
        assert app.is_worker_registered_at("hop")


@asynchronous
async def test_a_context_asks_its_control_when_it_receives() -> None:
    async with running() as app:
        control = Control(waits=True)
        control.may_answer.set()
        context = app.new_detached("c", incoming=control)
        control.answer = False
        await app.send("c", b"1")
        await app.send("c", b"2")
        assert not control.asked
        with pytest.raises(TimedOut):
            await context.receive(timeout=0.02)
        control.answer = True
        await app.send("c", b"3")
        assert (await context.receive()).body == b"3"


@pytest.mark.parametrize("direct", [False, True])
def test_combined_controls(direct: bool) -> None:
    @asynchronous
    async def check() -> None:
        async with running() as app:
            worker, yes, no = Recorder(), Control(True, waits=True), Control(False)
            yes.may_answer.set()
            await app.start_worker("end", worker)
            cases: list[tuple[AccessControl, bool]] = [
                (AllOf([yes, ALLOW_ALL]), True),
                (AllOf([yes, no]), False),
                (AllOf([]), True),
                (AnyOf([no, yes]), True),
                (AnyOf([no, DENY_ALL]), False),
                (AnyOf([]), False),
            ]
            for number, (control, passes) in enumerate(cases):
                if direct:
                    await app.start_worker(f"hop{number}", Hop(), incoming=control)
                    await app.send(route(f"hop{number}", "end"), b"%d" % number)
                else:
                    sender = app.new_detached(outgoing=control)
                    await sender.send("end", b"%d" % number)
                await settle()
                assert worker.messages.qsize() == int(passes)
                if passes:
                    assert await worker.next() == b"%d" % number

    check()


# ---- circles ---------------------------------------------------------------------------------------------------------


@asynchronous
async def test_a_message_that_goes_over_too_many_workers_is_dropped() -> None:
    async with running() as app:
        worker = Recorder()
        await app.start_worker("hop", Hop())
        await app.start_worker("w", worker)
        await app.send(route(*["hop"] * 1000, "w"), b"too far")
        await app.send(route(*["hop"] * 100, "w"), b"far")
        assert await worker.next() == b"far"
