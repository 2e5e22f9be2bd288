//! Web and gRPC servers over zocket: see `examples`, and `benches` for what they cost.
