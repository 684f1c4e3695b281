module kafka-e2ee/e2e

go 1.26.0

replace (
	kafka-e2ee => ../
	kafka-e2ee/envelope => ../envelope
	kafka-e2ee/lab => ../lab
	kafka-e2ee/skrclient => ../skrclient
)
