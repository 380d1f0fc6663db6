//! The models, compiled beside each copy of the library: `super` is the copy under test.

mod group;
mod loans;
mod poll_events;
mod pool;
mod room;
mod waiting;

use crate::Model;

const fn model(name: &'static str, preemptions_max: usize, run: fn()) -> Model {
    Model { name, preemptions_max, run }
}

pub const ALL: &[Model] = &[
    model("visible", 4, waiting::visible),
    model("sleep-publish", 3, waiting::sleep_and_publish),
    model("sleep-publish-scribbled", 3, waiting::sleep_and_publish_beside_a_scribbler),
    model("sleep-publish-outside", 2, waiting::sleep_outside_and_publish),
    model("sleep-hand-over", 2, waiting::sleep_outside_and_hand_over),
    model("sleep-interrupt", 3, waiting::sleep_and_interrupt),
    model("sleep-close", 3, waiting::sleep_and_close),
    model("sleep-close-outside", 2, waiting::sleep_outside_and_close),
    model("arm-publish", 3, poll_events::arm_and_publish),
    model("arm-publish-two", 2, poll_events::arm_two_and_publish),
    model("arm-interrupt", 3, poll_events::arm_and_interrupt),
    model("arm-close", 3, poll_events::arm_and_close),
    model("group-order", 3, group::order),
    model("group-gather", 3, group::gather),
    model("group-gather-room", 3, group::gather_beside_a_thread_without_room),
    model("group-failure", 3, group::failure),
    model("group-poison", 3, group::poison),
    model("group-poison-room", 3, group::poison_while_waiting_for_room),
    model("loans-grow", 3, loans::grow),
    model("loans-hand-over", 3, loans::hand_over),
    model("loans-twice", 3, loans::take_back_twice),
    model("pool-give-back", 3, pool::give_back),
    model("pool-hand-over", 3, pool::hand_over),
    model("pool-outlived", 3, pool::outlived),
    model("pool-close", 3, pool::close),
    model("room-ahead", 3, room::ahead),
    model("room-next-window", 3, room::next_window),
    model("room-cut", 3, room::cut),
];
