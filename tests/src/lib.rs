//! What system tests stand on: real programs, a web API client, pictures, phones, links that can be cut.
