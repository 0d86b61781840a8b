//! WeiCom and the other training-free composition methods behind one trait.
