//! What each method does, in a sentence.

use super::MethodSpec;

impl MethodSpec {
    /// Returns what the method does, as a sentence for a list to choose from. Parameters are not told, except those that make
    /// another method of it.
    ///
    /// ```
    /// # use rscir_weicom::MethodSpec;
    /// let spec = "rrf:k=20".parse::<MethodSpec>()?;
    /// assert_eq!(spec.summary(), "Adds up the reciprocals of the rank by image and the rank by text.");
    /// # Ok::<(), rscir_weicom::Error>(())
    /// ```
    pub fn summary(&self) -> &'static str {
        match self {
            Self::Image => "Ranks by the image alone.",
            Self::Text => "Ranks by the text alone.",
            Self::Sum => "Adds up the similarities to image and text.",
            Self::Product(product) if product.raw => "Multiplies the similarities to image and text.",
            Self::Product(_) => {
                "Multiplies the similarities to image and text, of which negative ones count as 0."
            }
            Self::Min(_) => "Takes the smaller of the two similarities, once they are on one scale.",
            Self::WeiCom(_) => {
                "Mixes how well a tile fits image and text beside all others, by a weight that is given."
            }
            Self::WeiComByParts(method) if method.lambda().is_none() => {
                "Mixes how well a tile fits image and text beside all others, by a weight that it finds."
            }
            Self::WeiComByParts(_) => {
                "Mixes how well a tile fits each part beside all others, by a weight that is given."
            }
            Self::Conjunction(_) => "Wants each part to be met: a tile that misses one falls far behind.",
            Self::Posterior(_) => {
                "Wants each part to be met, by the probabilities that it learns from the archive."
            }
            Self::Slerp(_) => "Asks with a point on the arc between image and text.",
            Self::Rrf(_) => "Adds up the reciprocals of the rank by image and the rank by text.",
            Self::Dbsf => {
                "Adds up the similarities, each on a scale of three standard deviations about its mean."
            }
            Self::ZScoreVector => {
                "Asks with image and text together, each divided by how widely its similarities spread."
            }
            Self::Stouffer => {
                "Adds up by how many standard deviations a tile is above the mean of image and text."
            }
            Self::Fisher => "Wants one of the parts to be met very well: an or, more than an and.",
            Self::Harris(_) => {
                "Multiplies the similarities, and takes off where one of them is large by itself."
            }
            Self::EntropyWeights(_) => {
                "Adds up the similarities, and lets that count more whose best tiles stand out more."
            }
            Self::SlerpGrid(_) => "Asks with the mean of points on the arc between image and text.",
            Self::GrClip { .. } => {
                "Asks with image and text together, less what all images and all texts have in common."
            }
            Self::InvertedSoftmax { .. } => {
                "Adds up the similarities, less what a tile has of everything that is asked for."
            }
            Self::FreeDom(_) => "Asks with texts of the words that are nearest to the image, and the text.",
            Self::Basic(_) => {
                "Multiplies the similarities, cleared of what is common and aimed at objects and styles."
            }
        }
    }
}
