// The process that holds a pod's namespaces.
module mita.invalid/kind/pause

go 1.26.0
