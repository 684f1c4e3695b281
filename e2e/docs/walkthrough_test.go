package docs_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kafka-e2ee/e2e/harness"
)

// walkthroughSections are the article's headings, and those of the English walkthrough.
var walkthroughSections = []struct{ document, english string }{
	{"# 機密コンテナーと自動的に生成されたポリシーを使用して AKS クラスターをデプロイする", "# Deploy an AKS cluster with confidential containers and an automatically generated policy"},
	{"## 前提条件", "## Prerequisites"},
	{"### aksプレビューの Azure CLI 拡張機能をインストールする", "### Install the aks-preview extension"},
	{"### confcom Azure CLI 拡張機能をインストールする", "### Install the confcom extension"},
	{"### KataCcIsolationPreview 機能フラグを登録する", "### Register the feature KataCcIsolationPreview"},
	{"## 新しいクラスターをデプロイする", "## Deploy a new cluster"},
	{"## 既存のクラスターにデプロイする", "## Deploy to an existing cluster"},
	{"## コンテナーを構成する", "## Configure the container"},
	{"## kata-cc と構成証明コンテナーを使用し、信頼されたアプリケーションをデプロイする", "## Deploy a trusted application with kata-cc and the attestation container"},
	{"## クリーンアップ", "## Clean up"},
	{"## 次のステップ", "## Next steps"},
}

// Without this somebody who runs the article's original consumer beside ours would see an empty page, and suspect our
// programs.
func TestOriginalConsumerAndKafka4(t *testing.T) {
	installed := regexp.MustCompile(`(?m)^ +version: (\S+)$`).FindStringSubmatch(harness.ReadFile(t, "deploy/kubernetes/components/strimzi/kafka.yaml"))
	if installed == nil || !strings.HasPrefix(installed[1], "4.") {
		t.Fatalf("the overlays install Kafka %q: what the pages say of version 4 is out of date", installed)
	}
	for page, consumer := range map[string]string{"docs/kafka.md": "original consumer", "docs/walkthrough.md": "original consumer", "docs/walkthrough.ja.md": "元のコンシューマー"} {
		said := slices.ContainsFunc(strings.Split(harness.ReadFile(t, page), "\n"), func(line string) bool {
			return strings.Contains(line, consumer) && strings.Contains(line, installed[1]) && strings.Contains(line, "Kafka 4") && strings.Contains(line, "3.9")
		})
		if !said {
			t.Errorf("%s does not say with which Kafka the original consumer works, beside the %s that is installed", page, installed[1])
		}
	}
}

// Without this a reader with the article open beside the walkthrough could miss a section, or find it empty.
func TestWalkthroughSections(t *testing.T) {
	japanese, english := harness.ReadFile(t, "docs/walkthrough.ja.md"), harness.ReadFile(t, "docs/walkthrough.md")
	var wantJapanese, wantEnglish []string
	for i, section := range walkthroughSections {
		if i == 1 { // not in the article: a laptop is enough to begin with
			wantJapanese, wantEnglish = append(wantJapanese, "## まず手元のコンピューターで試す"), append(wantEnglish, "## First on a laptop")
		}
		wantJapanese, wantEnglish = append(wantJapanese, section.document), append(wantEnglish, section.english)
	}
	heading := regexp.MustCompile(`(?m)^#+ .*$`)
	for name, page := range map[string]struct {
		text string
		want []string
	}{"Japanese": {japanese, wantJapanese}, "English": {english, wantEnglish}} {
		text := fenced.ReplaceAllString(page.text, "```")
		if got := heading.FindAllString(text, -1); !slices.Equal(got, page.want) {
			t.Errorf("%s: got the sections\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(page.want, "\n"))
		}
		for i, part := range heading.Split(text, -1)[1:] {
			if len(strings.TrimSpace(part)) < 10 {
				t.Errorf("%s: section %d is empty", name, i+1)
			}
		}
	}
}

// Without this readers of the two languages would do different things, one of them the wrong ones.
func TestWalkthroughsAgree(t *testing.T) {
	japanese, english := harness.ReadFile(t, "docs/walkthrough.ja.md"), harness.ReadFile(t, "docs/walkthrough.md")
	for _, language := range []string{"sh", "text"} {
		got, want := blocks(japanese, language), blocks(english, language)
		if !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("blocks of %s: the Japanese walkthrough has\n%s\nthe English one\n%s", language, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	typed := strings.Join(blocks(english, "sh"), "")
	stages, err := filepath.Glob("../../deploy/azure/[0-9]*.sh")
	if err != nil || len(stages) != 15 {
		t.Fatalf("%d stages, %v", len(stages), err)
	}
	for _, stage := range stages[:14] { // "all down" runs the last one
		if !strings.Contains(typed, "deploy/azure/"+filepath.Base(stage)) {
			t.Errorf("no reader is told to run %s", stage)
		}
	}
}

// Without this a reader could wait for a line that the script does not print.
func TestWalkthroughShowsWhatIsPrinted(t *testing.T) {
	printed := regexp.MustCompile(`\b(?:info|run|report) "((?:[^"\\]|\\.)*)"`)
	varies := regexp.MustCompile(`\\\$(?:\\\{[^}]*\\\}|\w+)`)
	checked := 0
	for _, block := range blocks(harness.ReadFile(t, "docs/walkthrough.md"), "text") {
		for line := range strings.Lines(block) {
			checked++
			script, said, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			found := false
			// A stage itself, or what the platforms with a cluster have in common.
			for _, m := range printed.FindAllStringSubmatch(harness.ReadFile(t, "deploy/azure/"+script)+harness.ReadFile(t, "deploy/azure/cluster.sh"), -1) {
				pattern := varies.ReplaceAllString(regexp.QuoteMeta(m[1]), ".+")
				found = found || regexp.MustCompile(`^`+pattern+`$`).MatchString(said)
			}
			if !found {
				t.Errorf("%s never prints %q", script, said)
			}
		}
	}
	if checked == 0 {
		t.Error("no line is shown")
	}
}
