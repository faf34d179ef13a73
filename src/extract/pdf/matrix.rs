//! Affine transformations of the plane, given by six numbers as in PDF.

/// Affine transformation: `x' = a x + c y + e`, `y' = b x + d y + f`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matrix(pub [f64; 6]);

impl Matrix {
    /// The identity transformation.
    pub const IDENTITY: Self = Self([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);

    /// Creates a translation.
    pub fn translation(x: f64, y: f64) -> Self {
        Self([1.0, 0.0, 0.0, 1.0, x, y])
    }

    /// Returns the composition that applies this transformation first and then `outer`.
    pub fn then(self, outer: Self) -> Self {
        let ([a, b, c, d, e, f], [a2, b2, c2, d2, e2, f2]) = (self.0, outer.0);
        Self([
            a * a2 + b * c2,
            a * b2 + b * d2,
            c * a2 + d * c2,
            c * b2 + d * d2,
            e * a2 + f * c2 + e2,
            e * b2 + f * d2 + f2,
        ])
    }

    /// Transforms a point, including the translation.
    pub fn transform_point(self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.0;
        (a * x + c * y + e, b * x + d * y + f)
    }

    /// Transforms a direction, ignoring the translation.
    pub fn transform_direction(self, x: f64, y: f64) -> (f64, f64) {
        let [a, b, c, d, _, _] = self.0;
        (a * x + c * y, b * x + d * y)
    }

    /// Returns the factor by which areas grow.
    pub fn area_factor(self) -> f64 {
        let [a, b, c, d, _, _] = self.0;
        (a * d - b * c).abs()
    }

    /// Returns whether the numbers are finite and small enough to compute with.
    pub fn is_usable(self) -> bool {
        self.0
            .iter()
            .all(|value| value.is_finite() && value.abs() < 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_maps_matters() {
        let double = Matrix([2.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
        assert_eq!(
            Matrix::translation(1.0, 2.0)
                .then(double)
                .transform_point(0.0, 0.0),
            (2.0, 4.0)
        );
        assert_eq!(
            double
                .then(Matrix::translation(1.0, 2.0))
                .transform_point(1.0, 1.0),
            (3.0, 4.0)
        );
        assert_eq!(double.transform_direction(1.0, 0.0), (2.0, 0.0));
        assert_eq!(double.area_factor(), 4.0);
        assert!(!Matrix([f64::NAN, 0.0, 0.0, 1.0, 0.0, 0.0]).is_usable());
    }
}
