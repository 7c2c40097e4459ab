//! The graph of stages, or of outputs, as people and drawing programs read it.

mod ascii;

use std::collections::BTreeSet;
use std::path::Path;

use indexmap::IndexSet;
use serde::Serialize;

use crate::error::Result;
use crate::fsx;
use crate::index::Index;
use crate::repo::Repo;
use crate::reproduce::Graph;
use crate::stage::Out;
use crate::workspace::Workspace;

/// What to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct DagOptions {
    /// Outputs instead of stages.
    pub outs: bool,
    /// The whole pipeline of the target, not only what it needs.
    pub full: bool,
    /// One node for all stages of a group.
    pub collapse_groups: bool,
}

/// Nodes by name, and edges from what is made first to what needs it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dag {
    /// In the order of their definition.
    pub nodes: IndexSet<String>,
    /// Places of nodes.
    pub edges: IndexSet<(usize, usize)>,
}

/// The graph of the repository, or of the stages that `target` needs.
pub fn dag(repo: &Repo, target: Option<&str>, options: DagOptions) -> Result<Dag> {
    let workspace = Workspace::open(repo)?;
    let mut index = Index::load_locked(&workspace)?;
    index.check(repo)?;
    if options.outs {
        return outputs_of(repo, &index, target, options.full);
    }
    let graph = Graph::of(&index, false);
    let within: BTreeSet<usize> = match target {
        None => (0..index.stages.len()).collect(),
        Some(target) => {
            let chosen = index.find(repo, target)?;
            match options.full {
                true => graph.pipeline(&chosen),
                false => Graph::reach(&chosen, |at| graph.up[at].clone()),
            }
        }
    };
    Ok(stages(repo, &index, &within, options))
}

/// The outputs that those of `target` are connected with: what they are made from or, where `full`, all.
/// A stage without outputs leaves nothing out.
fn outputs_of(repo: &Repo, index: &Index, target: Option<&str>, full: bool) -> Result<Dag> {
    let dag = outputs(repo, index);
    let Some(target) = target else { return Ok(dag) };
    let path = fsx::normalize(repo.cwd(), Path::new(target));
    let mut chosen = Vec::new();
    for at in index.find(repo, target)? {
        let stage = &index.stages[at];
        let is_named = |name: &str| target == name || target.ends_with(&format!(":{name}"));
        let meant = |out: &&Out| out.path.starts_with(&path) || path.starts_with(&out.path);
        let whole = stage.name.as_deref().is_some_and(is_named) || !stage.outs.iter().any(|out| meant(&out));
        let outs = stage.outs.iter().filter(|out| whole || meant(out));
        chosen.extend(outs.filter_map(|out| dag.nodes.get_index_of(&repo.show(&out.path))));
    }
    if chosen.is_empty() {
        return Ok(dag);
    }
    let mut neighbours = vec![Vec::new(); dag.nodes.len()];
    for (from, to) in &dag.edges {
        neighbours[*to].push(*from);
        if full {
            neighbours[*from].push(*to);
        }
    }
    Ok(dag.only(&Graph::reach(&chosen, |at| neighbours[at].clone())))
}

fn stages(repo: &Repo, index: &Index, within: &BTreeSet<usize>, options: DagOptions) -> Dag {
    let names: Vec<String> = index.stages.iter().map(|stage| stage.address(repo)).collect();
    let group = |name: &str| -> Option<String> {
        let grouped = options.collapse_groups && !name.ends_with(".dvc");
        name.split_once('@').filter(|_| grouped).map(|(group, _)| group.to_owned())
    };
    let mut dag = Dag::default();
    let groups = within.iter().filter_map(|at| group(&names[*at])).collect::<Vec<_>>();
    dag.nodes.extend(within.iter().filter(|at| group(&names[**at]).is_none()).map(|at| names[*at].clone()));
    dag.nodes.extend(groups);
    for &at in within {
        for up in index.upstream_of(at).iter().filter(|up| within.contains(up)) {
            let place = |at: usize| dag.nodes.get_index_of(&group(&names[at]).unwrap_or(names[at].clone()));
            if let (Some(from), Some(to)) = (place(*up), place(at))
                && from != to
            {
                dag.edges.insert((from, to));
            }
        }
    }
    dag
}

fn outputs(repo: &Repo, index: &Index) -> Dag {
    let stages = index.stages.iter().enumerate();
    let outs: Vec<_> = stages.flat_map(|(at, stage)| stage.outs.iter().map(move |out| (at, out))).collect();
    let mut dag = Dag::default();
    dag.nodes.extend(outs.iter().map(|(_, out)| repo.show(&out.path)));
    for (to, (at, _)) in outs.iter().enumerate() {
        let stage = &index.stages[*at];
        if !stage.reads_files() {
            continue;
        }
        let paths = stage.deps.iter().map(|dep| &dep.path).chain(stage.params.iter().map(|dep| &dep.path));
        for path in paths {
            for (from, (_, out)) in outs.iter().enumerate() {
                if path.starts_with(&out.path) || out.path.starts_with(path) {
                    dag.edges.insert((from, to));
                }
            }
        }
    }
    dag
}

impl Dag {
    /// The part with these nodes.
    fn only(&self, within: &BTreeSet<usize>) -> Self {
        let mut part = Self::default();
        part.nodes.extend(within.iter().map(|at| self.nodes[*at].clone()));
        let place = |at: &usize| part.nodes.get_index_of(&self.nodes[*at]);
        part.edges = self.edges.iter().filter_map(|(from, to)| Some((place(from)?, place(to)?))).collect();
        part
    }

    /// Graphviz's language.
    pub fn dot(&self) -> String {
        let quoted = |at: usize| format!("\"{}\"", self.nodes[at].replace('"', "\\\""));
        let mut out = String::from("strict digraph {\n");
        for at in 0..self.nodes.len() {
            out.push_str(&format!("{};\n", quoted(at)));
        }
        for (from, to) in &self.edges {
            out.push_str(&format!("{} -> {};\n", quoted(*from), quoted(*to)));
        }
        out.push_str("}\n");
        out
    }

    /// Mermaid's language, which Git hosts draw.
    pub fn mermaid(&self) -> String {
        let mut out = String::from("flowchart TD");
        let mut count = 0;
        for mut part in self.parts() {
            part.sort_by(|a, b| self.nodes[*a].cmp(&self.nodes[*b]));
            let id = |at: usize| part.iter().position(|known| *known == at).map(|place| count + place + 1);
            for at in &part {
                out.push_str(&format!("\n\tnode{}[\"{}\"]", id(*at).unwrap_or(0), self.nodes[*at]));
            }
            let mut edges: Vec<_> = self.edges.iter().filter(|(from, _)| part.contains(from)).collect();
            edges.sort_by_key(|(from, to)| (&self.nodes[*from], &self.nodes[*to]));
            for (from, to) in edges {
                out.push_str(&format!("\n\tnode{}-->node{}", id(*from).unwrap_or(0), id(*to).unwrap_or(0)));
            }
            count += part.len();
        }
        out
    }

    /// A picture in characters, one pipeline below the other.
    pub fn ascii(&self) -> String {
        let pictures: Vec<String> = self.parts().iter().map(|part| ascii::draw(self, part)).collect();
        pictures.join("\n")
    }

    /// The nodes of each connected part, in order.
    fn parts(&self) -> Vec<Vec<usize>> {
        let mut neighbours = vec![Vec::new(); self.nodes.len()];
        for (from, to) in &self.edges {
            neighbours[*from].push(*to);
            neighbours[*to].push(*from);
        }
        let mut seen: BTreeSet<usize> = BTreeSet::new();
        let mut parts = Vec::new();
        for at in 0..self.nodes.len() {
            if !seen.contains(&at) {
                let part = Graph::reach(&[at], |at| neighbours[at].clone());
                seen.extend(&part);
                parts.push(part.into_iter().collect());
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn of(nodes: &[&str], edges: &[(usize, usize)]) -> Dag {
        Dag {
            nodes: nodes.iter().map(|name| (*name).to_owned()).collect(),
            edges: edges.iter().copied().collect(),
        }
    }

    #[test]
    fn a_chain_is_drawn_from_top_to_bottom() {
        let dag = of(&["data.dvc", "train"], &[(0, 1)]);
        let lines: Vec<String> = dag.ascii().lines().map(|line| line.trim_end().to_owned()).collect();
        assert_eq!(
            lines,
            [
                "+----------+",
                "| data.dvc |",
                "+----------+",
                "      *",
                "      *",
                "      *",
                "  +-------+",
                "  | train |",
                "  +-------+"
            ]
        );
    }

    #[test]
    fn mermaid_numbers_the_nodes_of_each_pipeline_by_name() {
        let dag = of(&["b", "x", "a"], &[(0, 2)]);
        assert_eq!(
            dag.mermaid(),
            "flowchart TD\n\tnode1[\"a\"]\n\tnode2[\"b\"]\n\tnode2-->node1\n\tnode3[\"x\"]"
        );
        assert_eq!(dag.dot(), "strict digraph {\n\"b\";\n\"x\";\n\"a\";\n\"b\" -> \"a\";\n}\n");
    }

    #[test]
    fn every_box_of_a_wide_graph_is_drawn_whole() {
        let names = ["load", "left", "middle", "right", "join", "end"];
        let dag = of(&names, &[(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4), (4, 5), (0, 5)]);
        let picture = dag.ascii();
        for name in names {
            assert!(picture.contains(&format!("| {name} |")), "{picture}");
        }
    }
}
