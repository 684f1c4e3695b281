package e2e_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// walkthroughSections are the document's headings, and how the English walkthrough calls them.
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

// Without it a reader who has the document open beside the walkthrough looks for a section in vain, or finds it empty.
func TestWalkthroughSections(t *testing.T) {
	japanese, english := repositoryText(t, "docs/walkthrough.ja.md"), repositoryText(t, "docs/walkthrough.md")
	var wantJapanese, wantEnglish []string
	for i, section := range walkthroughSections {
		if i == 1 { // what the document does not have: a laptop is enough to begin with
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

// Without it readers of the two languages do different things, one of them the wrong ones.
func TestWalkthroughsAgree(t *testing.T) {
	japanese, english := repositoryText(t, "docs/walkthrough.ja.md"), repositoryText(t, "docs/walkthrough.md")
	for _, language := range []string{"sh", "text"} {
		got, want := blocks(japanese, language), blocks(english, language)
		if !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("blocks of %s: the Japanese walkthrough has\n%s\nthe English one\n%s", language, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	typed := strings.Join(blocks(english, "sh"), "")
	for _, stage := range azureStages {
		if !strings.Contains(typed, "deploy/azure/"+stage.script) {
			t.Errorf("nobody is told to run %s", stage.script)
		}
	}
}

// Without it a reader waits for a line that the script does not print.
func TestWalkthroughShowsWhatIsPrinted(t *testing.T) {
	printed := regexp.MustCompile(`\b(?:say|change) "((?:[^"\\]|\\.)*)"`)
	varies := regexp.MustCompile(`\\\$(?:\\\{[^}]*\\\}|\w+)`)
	checked := 0
	for _, block := range blocks(repositoryText(t, "docs/walkthrough.md"), "text") {
		for line := range strings.Lines(block) {
			checked++
			script, said, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			found := false
			for _, m := range printed.FindAllStringSubmatch(repositoryText(t, "deploy/azure/"+script), -1) {
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
