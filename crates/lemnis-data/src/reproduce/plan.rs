//! Which stages a reproduction looks at, and in which order.

use std::collections::BTreeSet;

use super::{Pick, Reproduce, Scope, pick};
use crate::error::Result;
use crate::index::Index;
use crate::repo::Repo;

/// The stages to look at, dependencies first, and the graph between all.
pub(crate) struct Plan {
    pub(crate) steps: Vec<usize>,
    pub(crate) graph: Graph,
    /// Whether the graph decides about forcing and skipping; a single stage stands alone.
    pub(crate) linked: bool,
}

/// Who needs whom; frozen stages may be cut from what they depend on.
pub(crate) struct Graph {
    pub(crate) up: Vec<Vec<usize>>,
    pub(crate) down: Vec<Vec<usize>>,
}

impl Graph {
    pub(crate) fn of(index: &Index, cut_frozen: bool) -> Self {
        let count = index.stages.len();
        let mut graph = Self { up: vec![Vec::new(); count], down: vec![Vec::new(); count] };
        for at in (0..count).filter(|at| !(cut_frozen && index.stages[*at].frozen)) {
            for &up in index.upstream_of(at) {
                graph.up[at].push(up);
                graph.down[up].push(at);
            }
        }
        graph
    }

    /// Stages that `keep` holds for, dependencies first, otherwise in the order of their definition.
    pub(crate) fn postorder(&self, keep: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut seen = vec![false; self.up.len()];
        let mut order = Vec::new();
        for root in 0..self.up.len() {
            let mut stack = vec![(root, 0)];
            while let Some((at, next)) = stack.pop() {
                if next == 0 {
                    if seen[at] || !keep(at) {
                        continue;
                    }
                    seen[at] = true;
                }
                match self.up[at].get(next) {
                    Some(&up) => stack.extend([(at, next + 1), (up, 0)]),
                    None => order.push(at),
                }
            }
        }
        order
    }

    /// `from` and everything that can be reached along `edges`.
    pub(crate) fn reach(from: &[usize], edges: impl Fn(usize) -> Vec<usize>) -> BTreeSet<usize> {
        let mut found: BTreeSet<usize> = BTreeSet::new();
        let mut stack = from.to_vec();
        while let Some(at) = stack.pop() {
            if found.insert(at) {
                stack.extend(edges(at));
            }
        }
        found
    }

    /// The stages that are connected with `from` in any way.
    pub(crate) fn pipeline(&self, from: &[usize]) -> BTreeSet<usize> {
        Self::reach(from, |at| self.up[at].iter().chain(&self.down[at]).copied().collect())
    }
}

pub(super) fn make(repo: &Repo, index: &Index, how: &Reproduce) -> Result<Plan> {
    let graph = Graph::of(index, true);
    let mut scope = how.scope;
    let chosen = match scope {
        Scope::All => Vec::new(),
        _ => pick(repo, index, &how.targets, Pick { recursive: how.recursive, glob: how.glob })?,
    };
    // A file without stages means nothing in particular, which for DVC is everything.
    if chosen.is_empty() && scope != Scope::Single {
        scope = Scope::All;
    }
    let within = match scope {
        Scope::Single => return Ok(Plan { steps: chosen, graph, linked: false }),
        Scope::All => (0..index.stages.len()).collect(),
        Scope::Upstream => Graph::reach(&chosen, |at| graph.up[at].clone()),
        Scope::Downstream => Graph::reach(&chosen, |at| graph.down[at].clone()),
        Scope::Pipelines => graph.pipeline(&chosen),
    };
    let steps = graph.postorder(|at| within.contains(&at));
    Ok(Plan { steps, graph, linked: true })
}
