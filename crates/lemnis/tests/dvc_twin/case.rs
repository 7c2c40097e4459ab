//! What a case is made of: a pipeline, and steps that edit it, its inputs and outputs, or run a command on it.
//!
//! Numbers stand for places in lists (modulo their length), so that every case that shrinking makes is a case.

use proptest::prelude::*;

/// A repository and what happens to it.
#[derive(Clone, Debug)]
pub struct Case {
    /// `cache.type`: copy, hardlink or symlink.
    pub link: u8,
    /// `dvc.yaml` has sections of its own for parameters, metrics and plots.
    pub sections: bool,
    pub stages: Vec<Stage>,
    pub steps: Vec<Step>,
}

/// A stage of a `dvc.yaml`.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Defined in `sub/dvc.yaml`.
    pub sub: bool,
    pub wdir: bool,
    pub group: Group,
    /// Sources and outputs of earlier stages.
    pub deps: Vec<u8>,
    /// Keys of parameter files.
    pub params: Vec<u8>,
    pub outs: Vec<Out>,
    pub frozen: bool,
    pub always: bool,
    /// Part of the command.
    pub text: u8,
    pub style: Style,
    /// The command holds `${…}`.
    pub template: bool,
    /// Words about it: `desc`, `meta`.
    pub notes: bool,
    /// Whether it is defined at all.
    pub present: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Group {
    None,
    List,
    Dict,
    FromParams,
    Matrix,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Style {
    Text,
    List,
    Lines,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    File,
    Dir,
    Script,
    Metric,
    Plot,
}

#[derive(Clone, Debug)]
pub struct Out {
    pub kind: Kind,
    pub cache: bool,
    pub persist: bool,
    /// One more field, or none: which says which.
    pub more: u8,
}

#[derive(Clone, Debug)]
pub enum Step {
    Edit {
        file: u8,
        content: u8,
    },
    Remove {
        file: u8,
    },
    Touch {
        file: u8,
    },
    Param {
        file: u8,
        key: u8,
        value: Option<u8>,
    },
    Text {
        stage: u8,
        text: u8,
    },
    Dep {
        stage: u8,
        dep: u8,
    },
    ParamDep {
        stage: u8,
        param: u8,
    },
    Flag {
        stage: u8,
        out: u8,
        persist: bool,
    },
    Always {
        stage: u8,
    },
    Present {
        stage: u8,
    },
    EditOut {
        stage: u8,
        out: u8,
        content: u8,
    },
    RemoveOut {
        stage: u8,
        out: u8,
    },
    TouchOut {
        stage: u8,
        out: u8,
    },
    /// The text of `.dvcignore`.
    Ignore {
        which: u8,
    },
    WipeCache,
    GitCommit,
    /// What Git tracks, or the pipeline and its inputs alone, as it was after an earlier step.
    Revert {
        to: u8,
        lock: bool,
    },
    Run(Verb),
}

#[derive(Clone, Debug)]
pub enum Verb {
    Status {
        target: Option<u8>,
    },
    Repro {
        target: Option<u8>,
        flags: u32,
    },
    Commit {
        target: Option<u8>,
        force: bool,
    },
    Checkout {
        target: Option<u8>,
        force: bool,
        relink: bool,
    },
    Freeze {
        stage: u8,
        frozen: bool,
    },
    Add {
        source: u8,
    },
    Remove {
        target: u8,
        outs: bool,
    },
    Unprotect {
        target: u8,
    },
    Gc {
        which: u8,
    },
    /// A definition that was taken away or never was there, written by the command.
    StageAdd {
        stage: u8,
        flags: u8,
    },
    Move {
        which: u8,
    },
    /// An experiment with one changed parameter.
    Experiment {
        key: u8,
        value: u8,
    },
    Push,
    Pull {
        force: bool,
    },
    Fetch,
    /// One that only tells: which says which.
    Tell {
        which: u8,
    },
}

fn out() -> impl Strategy<Value = Out> {
    let kind = prop_oneof![
        4 => Just(Kind::File), 3 => Just(Kind::Dir), 1 => Just(Kind::Script),
        2 => Just(Kind::Metric), 1 => Just(Kind::Plot)
    ];
    let more = prop_oneof![5 => Just(0u8), 1 => 1..5u8];
    (kind, prop::bool::weighted(0.8), prop::bool::weighted(0.12), more)
        .prop_map(|(kind, cache, persist, more)| Out { kind, cache, persist, more })
}

fn stage() -> impl Strategy<Value = Stage> {
    let group = prop_oneof![
        12 => Just(Group::None), 1 => Just(Group::List), 1 => Just(Group::Dict),
        1 => Just(Group::FromParams), 1 => Just(Group::Matrix)
    ];
    let style = prop_oneof![4 => Just(Style::Text), 1 => Just(Style::List), 1 => Just(Style::Lines)];
    let places = (prop::bool::weighted(0.12), prop::bool::weighted(0.12), group);
    let needs = (prop::collection::vec(any::<u8>(), 0..4), prop::collection::vec(any::<u8>(), 0..4));
    let (rare, present) = (|| prop::bool::weighted(0.08), prop::bool::weighted(0.93));
    let flags = (rare(), rare(), prop::bool::weighted(0.12), rare(), present);
    (places, needs, prop::collection::vec(out(), 0..3), flags, 0..3u8, style).prop_map(
        |(
            (sub, wdir, group),
            (deps, params),
            outs,
            (frozen, always, template, notes, present),
            text,
            style,
        )| Stage {
            sub,
            wdir,
            group,
            deps,
            params,
            outs,
            frozen,
            always,
            text,
            style,
            template,
            notes,
            present,
        },
    )
}

fn verb() -> impl Strategy<Value = Verb> {
    let target = || prop::option::weighted(0.35, any::<u8>());
    let flags = prop_oneof![4 => Just(0), 5 => (0..30u32).prop_map(|bit| 1 << bit), 1 => (0..30u32, 0..30u32).prop_map(|(one, other)| 1 << one | 1 << other)];
    prop_oneof![
        1 => target().prop_map(|target| Verb::Status { target }),
        12 => (target(), flags).prop_map(|(target, flags)| Verb::Repro { target, flags }),
        3 => (target(), prop::bool::weighted(0.8)).prop_map(|(target, force)| Verb::Commit { target, force }),
        4 => (target(), any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(target, force, relink)| Verb::Checkout { target, force, relink }),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(stage, frozen)| Verb::Freeze { stage, frozen }),
        1 => any::<u8>().prop_map(|source| Verb::Add { source }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(target, outs)| Verb::Remove { target, outs }),
        1 => any::<u8>().prop_map(|target| Verb::Unprotect { target }),
        1 => (0..4u8).prop_map(|which| Verb::Gc { which }),
        1 => (any::<u8>(), 0..4u8).prop_map(|(stage, flags)| Verb::StageAdd { stage, flags }),
        1 => (0..8u8).prop_map(|which| Verb::Move { which }),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(key, value)| Verb::Experiment { key, value }),
        1 => Just(Verb::Push),
        1 => any::<bool>().prop_map(|force| Verb::Pull { force }),
        1 => Just(Verb::Fetch),
        3 => any::<u8>().prop_map(|which| Verb::Tell { which }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let two = || (any::<u8>(), any::<u8>());
    prop_oneof![
        4 => (any::<u8>(), 0..5u8).prop_map(|(file, content)| Step::Edit { file, content }),
        1 => any::<u8>().prop_map(|file| Step::Remove { file }),
        1 => any::<u8>().prop_map(|file| Step::Touch { file }),
        4 => (0..5u8, any::<u8>(), prop::option::weighted(0.85, any::<u8>()))
            .prop_map(|(file, key, value)| Step::Param { file, key, value }),
        2 => (any::<u8>(), 0..3u8).prop_map(|(stage, text)| Step::Text { stage, text }),
        1 => two().prop_map(|(stage, dep)| Step::Dep { stage, dep }),
        1 => two().prop_map(|(stage, param)| Step::ParamDep { stage, param }),
        1 => (any::<u8>(), any::<u8>(), any::<bool>())
            .prop_map(|(stage, out, persist)| Step::Flag { stage, out, persist }),
        1 => any::<u8>().prop_map(|stage| Step::Always { stage }),
        1 => any::<u8>().prop_map(|stage| Step::Present { stage }),
        2 => (any::<u8>(), any::<u8>(), 0..5u8)
            .prop_map(|(stage, out, content)| Step::EditOut { stage, out, content }),
        2 => two().prop_map(|(stage, out)| Step::RemoveOut { stage, out }),
        1 => two().prop_map(|(stage, out)| Step::TouchOut { stage, out }),
        1 => any::<u8>().prop_map(|which| Step::Ignore { which }),
        1 => Just(Step::WipeCache),
        1 => Just(Step::GitCommit),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(to, lock)| Step::Revert { to, lock }),
        18 => verb().prop_map(Step::Run),
    ]
}

/// Cases with `steps` steps at most; most begin with a reproduction.
pub fn case(steps: usize) -> impl Strategy<Value = Case> {
    let first = prop_oneof![
        6 => Just(Step::Run(Verb::Repro { target: None, flags: 0 })),
        1 => step()
    ];
    let link = prop_oneof![3 => Just(0u8), 1 => Just(1), 1 => Just(2)];
    let stages = prop::collection::vec(stage(), 2..8);
    (link, prop::bool::weighted(0.15), stages, first, prop::collection::vec(step(), 1..steps)).prop_map(
        |(link, sections, stages, first, mut steps)| {
            steps.insert(0, first);
            Case { link, sections, stages, steps }
        },
    )
}
