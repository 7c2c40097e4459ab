//! Draws one connected graph in characters: layers from top to bottom, boxes, and lines of `*`.
//!
//! A node's layer is one below the lowest of what it needs. Lines that cross layers pass through unseen
//! nodes, which are ordered with the boxes so that lines seldom cross boxes.

use super::Dag;

/// Rows of a box, and rows between layers.
const BOX_ROWS: usize = 3;
const GAP_ROWS: usize = 3;
const GAP_COLUMNS: f64 = 4.0;
/// How often layers are ordered by their neighbours.
const SWEEPS: usize = 8;

struct Cell {
    /// The node's name; `None` for a passing line.
    name: Option<String>,
    layer: usize,
    /// The middle.
    x: f64,
}

impl Cell {
    fn width(&self) -> f64 {
        self.name.as_ref().map_or(1.0, |name| (name.chars().count() + 4) as f64)
    }
}

/// The picture of the nodes in `part`.
pub(super) fn draw(dag: &Dag, part: &[usize]) -> String {
    let layers = layers(dag, part);
    let mut cells: Vec<Cell> = part
        .iter()
        .zip(&layers)
        .map(|(at, layer)| Cell { name: Some(dag.nodes[*at].clone()), layer: *layer, x: 0.0 })
        .collect();
    let mut lines: Vec<(usize, usize)> = Vec::new();
    let place = |at: usize| part.iter().position(|known| *known == at);
    for (from, to) in &dag.edges {
        let (Some(mut from), Some(to)) = (place(*from), place(*to)) else { continue };
        while cells[from].layer + 1 < cells[to].layer {
            cells.push(Cell { name: None, layer: cells[from].layer + 1, x: 0.0 });
            lines.push((from, cells.len() - 1));
            from = cells.len() - 1;
        }
        lines.push((from, to));
    }
    arrange(&mut cells, &lines);
    paint(&cells, &lines)
}

fn layers(dag: &Dag, part: &[usize]) -> Vec<usize> {
    let mut layers = vec![0; part.len()];
    // Longest paths by relaxation: the graph has no cycles, so it settles within as many rounds as nodes.
    for _ in 0..part.len() {
        let mut settled = true;
        for (from, to) in &dag.edges {
            let place = |at: &usize| part.iter().position(|known| known == at);
            let (Some(from), Some(to)) = (place(from), place(to)) else { continue };
            if layers[to] <= layers[from] && from != to {
                layers[to] = layers[from] + 1;
                settled = false;
            }
        }
        if settled {
            break;
        }
    }
    layers
}

/// Orders each layer by the middle of its neighbours and gives every cell its column.
fn arrange(cells: &mut [Cell], lines: &[(usize, usize)]) {
    let depth = cells.iter().map(|cell| cell.layer).max().unwrap_or(0);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); depth + 1];
    for (at, cell) in cells.iter().enumerate() {
        rows[cell.layer].push(at);
    }
    let mut neighbours = vec![[Vec::new(), Vec::new()]; cells.len()];
    for (from, to) in lines {
        neighbours[*to][0].push(*from);
        neighbours[*from][1].push(*to);
    }
    rows.iter().for_each(|row| spread(cells, row));
    for sweep in 0..SWEEPS {
        let downwards = sweep % 2 == 0;
        let order: Vec<usize> = if downwards { (1..=depth).collect() } else { (0..depth).rev().collect() };
        for layer in order {
            for at in &rows[layer] {
                let near = &neighbours[*at][usize::from(!downwards)];
                if !near.is_empty() {
                    let sum: f64 = near.iter().map(|other| cells[*other].x).sum();
                    cells[*at].x = sum / near.len() as f64;
                }
            }
            rows[layer].sort_by(|a, b| cells[*a].x.total_cmp(&cells[*b].x));
            part_ways(cells, &rows[layer]);
        }
    }
}

/// Side by side around the middle.
fn spread(cells: &mut [Cell], row: &[usize]) {
    let total: f64 = row.iter().map(|at| cells[*at].width()).sum::<f64>()
        + GAP_COLUMNS * row.len().saturating_sub(1) as f64;
    let mut left = -total / 2.0;
    for at in row {
        let width = cells[*at].width();
        cells[*at].x = left + width / 2.0;
        left += width + GAP_COLUMNS;
    }
}

/// Pushes overlapping cells apart, keeping the row's middle.
fn part_ways(cells: &mut [Cell], row: &[usize]) {
    let before: f64 = row.iter().map(|at| cells[*at].x).sum();
    for pair in row.windows(2) {
        let distance = (cells[pair[0]].width() + cells[pair[1]].width()) / 2.0 + GAP_COLUMNS;
        let least = cells[pair[0]].x + distance;
        if cells[pair[1]].x < least {
            cells[pair[1]].x = least;
        }
    }
    let after: f64 = row.iter().map(|at| cells[*at].x).sum();
    let shift = (after - before) / row.len().max(1) as f64;
    row.iter().for_each(|at| cells[*at].x -= shift);
}

fn paint(cells: &[Cell], lines: &[(usize, usize)]) -> String {
    let left = cells.iter().map(|cell| cell.x - cell.width() / 2.0).fold(f64::INFINITY, f64::min);
    let right = cells.iter().map(|cell| cell.x + cell.width() / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let columns = (right.ceil() - left.floor()) as usize + 1;
    let depth = cells.iter().map(|cell| cell.layer).max().unwrap_or(0);
    let rows = (depth + 1) * BOX_ROWS + depth * GAP_ROWS;
    let mut canvas = vec![vec![' '; columns]; rows];
    let column = |x: f64| ((x - left).round_ties_even().max(0.0) as usize).min(columns - 1);
    let top = |cell: &Cell| cell.layer * (BOX_ROWS + GAP_ROWS);
    for (from, to) in lines {
        let (from, to) = (&cells[*from], &cells[*to]);
        let (y0, y1) = (top(from) + BOX_ROWS - 1, top(to));
        for (step, row) in canvas[y0..=y1].iter_mut().enumerate() {
            let part = step as f64 / (y1 - y0).max(1) as f64;
            row[column(from.x + (to.x - from.x) * part)] = '*';
        }
        fill_flat(&mut canvas, (y0, column(from.x)), (y1, column(to.x)));
    }
    for cell in cells {
        let y = top(cell);
        let Some(name) = &cell.name else {
            (y..y + BOX_ROWS).for_each(|y| canvas[y][column(cell.x)] = '*');
            continue;
        };
        let width = name.chars().count() + 4;
        let x = column(cell.x - cell.width() / 2.0).min(columns - width);
        let edge: Vec<char> = format!("+{}+", "-".repeat(width - 2)).chars().collect();
        let text: Vec<char> = format!("| {name} |").chars().collect();
        for (row, content) in [(y, &edge), (y + 1, &text), (y + 2, &edge)] {
            canvas[row][x..x + width].copy_from_slice(content);
        }
    }
    canvas.into_iter().map(|row| row.into_iter().collect::<String>()).collect::<Vec<_>>().join("\n")
}

/// Closes the holes of a line that is wider than it is high.
fn fill_flat(canvas: &mut [Vec<char>], from: (usize, usize), to: (usize, usize)) {
    let (high, wide) = (to.0 - from.0, to.1.abs_diff(from.1));
    if wide <= high {
        return;
    }
    for step in 0..=wide {
        let y = from.0 + (step * high + wide / 2) / wide;
        let x = if to.1 > from.1 { from.1 + step } else { from.1 - step };
        canvas[y][x] = '*';
    }
}
