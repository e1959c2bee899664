//! Where a grid leaves its projection, since paper bends.

use crate::geometry::Point;

/// How far a grid lies from its projection, at the crossings of some rows and columns.
#[derive(Debug, Clone, Default)]
pub(super) struct Bends {
    /// Where the rows and the columns lie, in modules; none when nothing is bent.
    nodes: Vec<f32>,
    bends: Vec<Point>,
}

impl Bends {
    /// Where a bend is not known, what the neighbours say.
    pub(super) fn through(nodes: Vec<f32>, known: &[Option<Point>]) -> Self {
        let side = nodes.len();
        let bends = (0..side * side)
            .map(|place| {
                known[place].unwrap_or_else(|| {
                    let (x, y) = (place % side, place / side);
                    let near: Vec<Point> = (0..side * side)
                        .filter(|&other| {
                            (other % side).abs_diff(x) <= 1 && (other / side).abs_diff(y) <= 1
                        })
                        .filter_map(|other| known[other])
                        .collect();
                    let sum = near
                        .iter()
                        .fold(Point::default(), |sum, &bend| sum.plus(bend));
                    sum.times(1.0 / near.len().max(1) as f32)
                })
            })
            .collect();
        Self { nodes, bends }
    }

    pub(super) fn at(&self, module: Point) -> Point {
        if self.nodes.is_empty() {
            return Point::default();
        }
        let side = self.nodes.len();
        let ((x, across), (y, down)) = (self.weights_at(module.x), self.weights_at(module.y));
        let mut sum = Point::default();
        for (row, below) in down.iter().enumerate() {
            let bends = &self.bends[(y + row) * side + x..];
            for (bend, right) in bends.iter().zip(across) {
                sum = sum.plus(bend.times(below * right));
            }
        }
        sum
    }

    /// The first of three nodes around a place, and how much each of them counts: paper bends in
    /// curves, of which the parabola through three places is the simplest.
    fn weights_at(&self, at: f32) -> (usize, [f32; 3]) {
        let nodes = &self.nodes;
        let first = (1..nodes.len() - 2)
            .filter(|&node| f32::midpoint(nodes[node], nodes[node + 1]) < at)
            .count();
        let [a, b, c] = [nodes[first], nodes[first + 1], nodes[first + 2]];
        // Beyond the outermost node a curve is believed for as far as a finder pattern reaches.
        let at = at.clamp(nodes[0] - 7.0, nodes[nodes.len() - 1] + 7.0);
        let weight = |own: f32, one: f32, other: f32| {
            (at - one) * (at - other) / ((own - one) * (own - other))
        };
        (first, [weight(a, b, c), weight(b, a, c), weight(c, a, b)])
    }
}
