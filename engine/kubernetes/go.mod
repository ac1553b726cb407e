// It only marks where the module begins: each version's own requirements are in its folder, and are
// given with -modfile.
module cahier/kubernetes

go 1.26.6
