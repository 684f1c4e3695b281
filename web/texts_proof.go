package web

// proofTexts are the page about what all this proves.
func proofTexts() map[string]text {
	return map[string]text{
		"proof.link":  {"What this proves, and what it does not", "これが証明すること、しないこと"},
		"proof.title": {"What this proves, and what it does not", "これが証明すること、しないこと"},
		"proof.lead":  {"The page that you look at is made by the pod that it is about. It can be wrong, or lie. What counts is what you can check without it.", "いま見ているページは、その対象であるポッド自身が作っています。誤りも、嘘もあり得ます。重要なのは、このページなしで確認できることです。"},

		"proof.does":   {"What holds, if the checks below succeed", "下の確認が成功すれば言えること"},
		"proof.does.1": {"The vault releases the private key only to a machine whose hardware report, checked by the attestation service, satisfies the key's release policy.", "Key Vault は、構成証明サービスが確認したハードウェアの報告が鍵の解放ポリシーを満たすマシンにだけ秘密鍵を解放します。"},
		"proof.does.2": {"If every alternative of the release policy names the hash of this pod's security policy, another image, command or environment than that policy allows gets no key.", "解放ポリシーのすべての選択肢がこのポッドのセキュリティポリシーのハッシュを指定していれば、それが許すもの以外のイメージ、コマンド、環境変数では鍵を得られません。"},
		"proof.does.3": {"Kafka, its disks and its network hold the message of an encrypted record as ciphertext only; topic, key, headers, time and size are not encrypted. That it was opened in this pod's memory alone rests on the measured program.", "暗号化されたレコードのメッセージは、Kafka とそのディスク、ネットワークには暗号文としてだけあります。トピック、キー、ヘッダー、時刻、サイズは暗号化されません。このポッドのメモリの中だけで開かれたことは、測定されたプログラムに基づきます。"},
		"proof.does.4": {"A sender that is named as verified signed the record with a key that this pod was told to trust.", "確認済みとして名前が出る送信者は、このポッドが信頼する鍵でレコードに署名しています。"},

		"proof.doesnot": {"What it does not prove", "証明しないこと"},
		"proof.not.1":   {"That this page tells the truth: any web server can show these words. The checks below say what the key is released for, and to whom; they do not tie this page to that pod.", "このページが真実を述べていること。同じ言葉はどのウェブサーバーでも表示できます。下の確認でわかるのは、鍵が何に対して、誰に解放されるかで、このページがそのポッドのものであることではありません。"},
		"proof.not.2":   {"That the key was released only once, or only to this pod: everyone who satisfies the policy gets it.", "鍵の解放が一度だけ、またはこのポッドだけだったこと。ポリシーを満たすものは誰でも鍵を得られます。"},
		"proof.not.3":   {"That the program is free of mistakes. The measurement says which program runs, not that it is good.", "プログラムに誤りがないこと。測定が示すのは何が動いているかで、その良し悪しではありません。"},
		"proof.not.4":   {"That nobody reads along between this page and you: without TLS that ends in the pod, everyone on the way can.", "このページとあなたの間で誰にも読まれないこと。ポッドの中で終わる TLS がなければ、経路上の誰でも読めます。"},
		"proof.not.5":   {"That a record without a signature comes from your producer: whoever has the public key can write one.", "署名のないレコードがあなたのプロデューサーのものであること。公開鍵を持つ人なら誰でも書けます。"},
		"proof.not.6":   {"That records were not deleted or held back, unless their format counts them and the gap shows.", "レコードが削除や隠蔽をされていないこと。ただし、番号を数える形式では欠落が表示されます。"},

		"proof.not.7": {"That nobody else has the key: whoever made it may hold a copy, whoever administers the vault may change a policy that is not immutable, and the makers of the processor, the attestation service and the vault are trusted.", "他の誰も鍵を持っていないこと。鍵を作った人は写しを持っているかもしれず、Key Vault の管理者は不変でないポリシーを変更できます。プロセッサ、構成証明サービス、Key Vault の提供者は信頼されています。"},

		"proof.how":   {"Verify from outside", "外部から検証する"},
		"proof.how.1": {"Ask the vault, from your own computer, what it releases the key for. Host data (x-ms-sevsnpvm-hostdata) must be named, and debugging must be false.", "自分のコンピューターから、鍵を解放する条件を Key Vault に尋ねます。ホストデータ (x-ms-sevsnpvm-hostdata) の指定があり、デバッグが false でなければなりません。"},
		"proof.how.2": {"Measure the file that you deployed, in a checkout that you trust. The result must be the host data of step 1.", "配置したファイルを、信頼できるチェックアウトで測定します。結果は手順 1 のホストデータと同じでなければなりません。"},
		"proof.how.3": {"Read the vault's own log (AuditEvent, operation KeyRelease) for who got the key, and when.", "Key Vault 自身のログ (AuditEvent、操作 KeyRelease) で、誰がいつ鍵を得たかを確認します。"},
		"proof.how.4": {"Check the signature of this pod's token with the attestation service's published keys.", "このポッドのトークンの署名を、構成証明サービスが公開する鍵で確認します。"},
	}
}
