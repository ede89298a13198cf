"""A shell line is harmless when all of it is understood and known to only read; anything else is asked."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codexd.core.harmless import LINE_CHARS_MAX, harmless, harmless_programs

READS = r"""
ls
ls -la src tests
cat README.md
cat 'a file with spaces' "and another"
cat a\ file
pwd
echo "hello, world" 'and $HOME' it\'s
head -n 20 file
tail -c 100 -- file
wc -l *.py
ls *.md [a-z]?.txt
grep -rn "def main" src
grep -E 'a|b;c&d' file
grep "a\.b" file
grep "say \"hi\"" file
rg -n pattern src
rg --files -g '*.py'
rg -tpy -e 'x y' --context=3
find . -name '*.py' -type f -maxdepth 3
find src -name \*.py ! -path './x/*' -print0
find . -mtime -7 -size +10k
which python
whoami
uname -a
date
date -u +%Y-%m-%d
true
false
test -f setup.py
test -z ''
stat file
file --mime-type image.png
file -b image.png
du -sh .
df -h
sort file
sort -rn -k2,2 -t, file
sort --reverse --key=2 file
uniq
uniq -c file
cut -d: -f1 /etc/passwd
tr a-z A-Z
nl file
seq 1 10
sed -n 10,20p file
sed -n '1p;5,$p' file other
git status
git status --short -b
git log --oneline -n 5
git log -5 --format='%h %s' -- src
git log -p -S'needle' --since='2 days ago'
git diff
git diff --stat HEAD~1 HEAD -- src/a.py
git diff --cached -U5
git show HEAD:README.md
git show --name-only HEAD^
git branch
git branch -a -vv
git branch --show-current
git branch --list 'feature/*'
git rev-parse --show-toplevel
git rev-parse --abbrev-ref HEAD
git ls-files -m --others --exclude-standard
git blame -L 10,20 file
ls && cat file
ls;cat file
ls||true
cat file | sort | uniq -c | sort -rn | head
test -f a && cat a || echo "no a"
""".strip().splitlines()

ASKED = r"""
rm -rf build
python -c 'print()'
make
bash -c ls
sh file
env ls
xargs ls
sudo ls
command ls
exec ls
eval ls
time ls
! ls
. file
source file
cd src
/bin/ls
./ls
~/ls
l?
[l]s
*
ls\
ls "unfinished
ls 'unfinished
ls > out
ls >out
ls>>out
ls 2>&1
ls 2>/dev/null
ls &>out
ls >& out
cat < in
cat <<EOF
cat <<<text
ls <(ls)
ls >(ls)
echo $(rm x)
echo `rm x`
echo "$(rm x)"
echo "`rm x`"
echo "\\$(rm x)"
echo $HOME
echo "$HOME"
echo ${x:=y}
echo $((1+1))
echo $'a\nb'
A=1 ls
A=1
"A=1" ls
PATH=. ls
ls &
ls & rm x
ls&rm x
ls |& cat
ls |
| ls
ls ||
&& ls
ls &&& ls
ls ;
ls ;; ls
ls && rm x
ls; rm x
ls | tee out
ls | sh
ls || rm x
(ls)
( ls )
{ ls; }
ls {a,b}
sort {-o,x} y
if true; then ls; fi
for x in a; do ls; done
while true; do ls; done
f() ls
ls # comment
#
echo a#b
ls ä
ls(e:'rm x':)
rg --pre cat x
rg --pre=cat x
rg --pre-glob '*' x
rg --hostname-bin=x y
rg --search-zip x
rg -z x
rg -nz x
find . -exec rm x
find . -exec rm {} \;
find . -execdir rm x
find . -ok rm x
find . -okdir rm x
find . -delete
find . -fprint out
find . -fprint0 out
find . -fprintf out x
find . -fls out
find * -name x
find . -name x "-delete"
find . -name x '-exec' rm x
find . -name x \-delete
find . -name x -del''ete
find . -files0-from x
date -s 12:00
date --set=12:00
date 01010000
date -us 12:00
file -C
file -C -m magic
file --compile
sort -o out in
sort -oout in
sort --output=out in
sort --outp=out in
sort --outp out in
sort -ro out in
sort in -o out
sort -k -o out
sort -k -- -o out
sort -- -o
sort --compress-program=sh in
sort -T /tmp in
sort -S 1 in
sort --files0-from=x
sort *
sort ''*
sort ""?o
sort [-]oout
sort -b*
uniq in out
uniq -c in out
uniq - out
uniq *
uniq a*
uniq -- in out
sed -i s/a/b/ file
sed -n s/a/b/w file
sed -n 'w out' file
sed -n '1p;w out' file
sed -n 1e file
sed 1p file
sed -n 1p -i file
sed -n 1p --in-place file
sed -ni 1p file
sed -n 1p *
sed -n -f script
sed -n
sed
test -v 'a[$(rm x)]'
test 'a[$(rm x)]' -eq 1
test -f a*
test a = a -o -v x
[ -f a ]
[[ -f a ]]
git
git -c core.pager=sh log
git -C /tmp status
git --git-dir=x status
git --exec-path=x status
git -p log
git --paginate log
git commit -m x
git push
git fetch
git checkout x
git stash
git clean -fd
git config user.name x
git log --output=out
git log --outp=out
git diff --output out
git diff --ext-diff
git log -p --ext-diff
git diff --textconv
git show --textconv x
git diff --no-index a b
git log --show-signature
git log --format=%G?
git log --pretty='%h %GS'
git diff -Oorder
git diff *
git branch new
git branch -d old
git branch -D old
git branch -m new
git branch -M new
git branch -c new
git branch -f main HEAD~1
git branch --delete old
git branch --del old
git branch -u origin/x
git branch --set-upstream-to=x
git branch --edit-description
git branch -ad old
git branch * 
git rev-parse --parseopt
git status --pathspec-from-file=x
git ls-files --with-tree=x
git 'log' --output=out
git grep -O x
git remote add x y
less file
more file
man ls
vi file
awk 'BEGIN{system("rm x")}'
tee out
dd if=a of=b
cp a b
curl x
tree -o out
xxd a b
hostname new
printf -v x y
type ls
""".strip("\n").splitlines()


@pytest.mark.parametrize("line", READS)
def test_reading_is_harmless(line: str) -> None:
    assert harmless(line)


@pytest.mark.parametrize("line", ASKED)
def test_what_may_do_more_than_read_is_not(line: str) -> None:
    assert not harmless(line)


@pytest.mark.parametrize(
    "line",
    ["", " ", "\t", "ls\nrm x", "ls\n", "ls\rrm x", "ls\x00", "ls\x7f", "ls 'a\nb'", "ls\v-l"],
)
def test_no_line_and_more_than_one_line_are_not(line: str) -> None:
    assert not harmless(line)


def test_a_space_of_another_script_joins_nothing_and_separates_nothing() -> None:
    assert not any(harmless(f"ls{space}x") for space in "\u00a0\u2003\u3000\u0085\u200b")


def test_letters_of_any_script_may_stand_in_quotes() -> None:
    assert harmless("cat 'häuser/日本.txt' \"größe\"")


def test_a_line_that_nobody_would_read_to_its_end_is_not() -> None:
    assert harmless("echo " + "x" * (LINE_CHARS_MAX - 5))
    assert not harmless("echo " + "x" * (LINE_CHARS_MAX - 4))


def test_it_says_which_programs_run() -> None:
    assert harmless_programs("cat a | sort && git log") == frozenset({"cat", "git", "sort"})
    assert harmless_programs("cat a | sh") is None


@settings(max_examples=50)
@given(st.text(alphabet="ls |&;<>$`\"'\\(){}#=\n*-\0é", max_size=30))
def test_any_line_is_judged_and_more_behind_its_quotes_is_never_harmless(line: str) -> None:
    assert harmless(line) in (True, False)
    if "'" not in line and '"' not in line:
        for more in ("; rm x", " && rm x", " | sh", " > x", " $(rm x)", " `rm x`", " &", "\nrm x"):
            assert not harmless(line + more)
