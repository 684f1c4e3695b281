module kafka-e2ee/envelope

go 1.26.0
