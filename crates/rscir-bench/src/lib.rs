//! The PatternCom protocol: queries, relevance, exact metrics, reports.
