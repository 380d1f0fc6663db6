// The sources under test, and every weakening of them that the models must notice. Read by build.rs.

/// Files and directories of `src` that make up a copy.
pub const SOURCES: &[&str] = &["publish", "pool.rs"];

/// In `file`, `from` (which is there once) becomes `to`; then one of the models `caught_by` fails.
#[derive(Debug)]
pub struct Mutation {
    pub name: &'static str,
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    pub caught_by: &'static [&'static str],
}

pub const MUTATIONS: &[Mutation] = &[
    Mutation {
        name: "count_published_relaxed",
        file: "publish/visible.rs",
        from: "self.count.store(count, Ordering::Release)",
        to: "self.count.store(count, Ordering::Relaxed)",
        caught_by: &["visible"],
    },
    Mutation {
        name: "count_read_relaxed",
        file: "publish/visible.rs",
        from: "self.count.load(Ordering::Acquire)",
        to: "self.count.load(Ordering::Relaxed)",
        caught_by: &["visible"],
    },
    Mutation {
        name: "writer_without_fence",
        file: "publish/mod.rs",
        from: "    pub fn published(&self, visible: &Visible) {\n        fence(Ordering::SeqCst);",
        to: "    pub fn published(&self, visible: &Visible) {",
        caught_by: &["sleep-publish"],
    },
    Mutation {
        name: "writer_with_a_weaker_fence",
        file: "publish/mod.rs",
        from: "    pub fn published(&self, visible: &Visible) {\n        fence(Ordering::SeqCst);",
        to: "    pub fn published(&self, visible: &Visible) {\n        fence(Ordering::AcqRel);",
        caught_by: &["arm-publish"],
    },
    Mutation {
        name: "sleeper_without_fence",
        file: "publish/mod.rs",
        from: "        words.sleepers().store(1, Ordering::Relaxed);\n        fence(Ordering::SeqCst);",
        to: "        words.sleepers().store(1, Ordering::Relaxed);",
        caught_by: &["sleep-publish"],
    },
    Mutation {
        name: "sleeper_with_a_weaker_fence",
        file: "publish/mod.rs",
        from: "        words.sleepers().store(1, Ordering::Relaxed);\n        fence(Ordering::SeqCst);",
        to: "        words.sleepers().store(1, Ordering::Relaxed);\n        fence(Ordering::AcqRel);",
        caught_by: &["sleep-publish"],
    },
    Mutation {
        name: "counter_unchanged",
        file: "publish/mod.rs",
        from: "        self.counter().fetch_add(1, Ordering::Release);\n",
        to: "",
        caught_by: &["sleep-publish"],
    },
    Mutation {
        name: "counter_changed_relaxed",
        file: "publish/mod.rs",
        from: "self.counter().fetch_add(1, Ordering::Release)",
        to: "self.counter().fetch_add(1, Ordering::Relaxed)",
        caught_by: &["sleep-publish", "sleep-publish-outside", "sleep-interrupt", "sleep-close"],
    },
    Mutation {
        name: "flag_cleared_after_the_wake",
        file: "publish/mod.rs",
        from: "            words.sleepers().store(0, Ordering::Relaxed);\n            words.wake_all();",
        to: "            words.wake_all();\n            words.sleepers().store(0, Ordering::Relaxed);",
        caught_by: &["sleep-publish"],
    },
    Mutation {
        name: "notifier_without_fence",
        file: "publish/mod.rs",
        from: "    pub fn wake_sleepers(&self) {\n        fence(Ordering::SeqCst);",
        to: "    pub fn wake_sleepers(&self) {",
        caught_by: &["arm-close"],
    },
    Mutation {
        name: "lobby_not_told",
        file: "publish/mod.rs",
        from: "self.wake_lobby(if changed { u32::MAX } else { 1 });",
        to: "",
        caught_by: &["sleep-hand-over"],
    },
    Mutation {
        name: "lobby_unchanged",
        file: "publish/mod.rs",
        from: "        self.lobby.fetch_add(1, Ordering::AcqRel);\n",
        to: "",
        caught_by: &["sleep-publish-outside", "sleep-hand-over", "sleep-close-outside"],
    },
    Mutation {
        name: "armed_without_fence",
        file: "publish/mod.rs",
        from: "        fence(Ordering::SeqCst);\n        Ok(is_first)",
        to: "        Ok(is_first)",
        caught_by: &["arm-publish"],
    },
    Mutation {
        name: "close_rings_nobody",
        file: "publish/mod.rs",
        from: "        self.wake_sleepers();\n        self.ring_all();",
        to: "        self.wake_sleepers();",
        caught_by: &["arm-close"],
    },
    Mutation {
        name: "bells_marked_before_the_lock",
        file: "publish/bell.rs",
        from: "        self.is_any_armed.store(!list.is_empty(), Ordering::Relaxed);",
        to: "        drop(list);\n        self.is_any_armed.store(false, Ordering::Relaxed);",
        caught_by: &["arm-publish-two"],
    },
    Mutation {
        name: "interrupt_rings_first",
        file: "publish/interrupt.rs",
        from: "        self.is_raised.store(true, Ordering::Release);",
        to: "        if let Some(bell) = self.bell.get() {\n            bell.ring();\n        }\n        self.is_raised.store(true, Ordering::Release);\n        if true {\n            return events.wake_sleepers();\n        }",
        caught_by: &["arm-interrupt"],
    },
    Mutation {
        name: "pool_wakes_nobody",
        file: "pool.rs",
        from: "            if is_wanted {",
        to: "            if is_wanted && false {",
        caught_by: &["pool-give-back"],
    },
    Mutation {
        name: "pool_counts_nobody",
        file: "pool.rs",
        from: "            state.waiting += 1;\n",
        to: "            state.waiting += 0;\n",
        caught_by: &["pool-give-back"],
    },
    Mutation {
        name: "pool_closes_quietly",
        file: "pool.rs",
        from: "        drop(idle);\n        self.freed.notify_all();",
        to: "        drop(idle);",
        caught_by: &["pool-close"],
    },
];
