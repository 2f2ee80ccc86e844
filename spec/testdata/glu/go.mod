module example.com/glu

go 1.26
